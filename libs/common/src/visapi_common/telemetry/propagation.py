"""W3C trace context as text: in headers, in rows, and in the running task's context.

Trace contexts are plain strings (`00-<trace>-<span>-<flags>`, W3C Trace Context, section 3.2), so an
unrecorded trace costs a comparison and a context variable.
"""

import random
import re
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_VALID = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ZERO_TRACE = "0" * 32
_ZERO_SPAN = "0" * 16

_current: ContextVar[str | None] = ContextVar("visapi_traceparent", default=None)


def current() -> str | None:
    """The traceparent of the current task."""
    return _current.get()


@contextmanager
def under(traceparent: str | None) -> Generator[None]:
    """Run a block under the traceparent of a row or a message."""
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


def is_valid(traceparent: str) -> bool:
    """Whether the text is a traceparent with a trace and a parent in it."""
    if _VALID.fullmatch(traceparent) is None or traceparent.startswith("ff"):
        return False
    return trace_id_of(traceparent) != _ZERO_TRACE and span_id_of(traceparent) != _ZERO_SPAN


def is_sampled(traceparent: str) -> bool:
    return traceparent[-1] in "13579bdf"


def trace_id_of(traceparent: str) -> str:
    return traceparent[3:35]


def span_id_of(traceparent: str) -> str:
    return traceparent[36:52]


def unsampled_root() -> str:
    """A new traceparent with the sampled flag off."""
    return f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-00"
