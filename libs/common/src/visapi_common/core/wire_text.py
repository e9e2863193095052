"""Checks the length and characters of text that becomes a NATS subject or header, on entry. Pure.

NATS closes the connection of a client that sends a line that is too long, so an unchecked text would
disconnect the whole process, and again at each retry.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

SUBJECT_MAX = 1024
"""Characters of a subject or reply; NATS ends the connection above 4,096 for the whole line."""

HEADERS_MAX = 32 * 1024
"""Bytes of all headers of a message."""

FUNCTION_NAME_MAX = 128
"""Characters: a durable consumer is named after the function and its tenant, in at most 255."""

EVENT_TYPE_MAX = 255
"""Characters of an event's type, which becomes the tail of a subject."""

_SUBJECT = re.compile(r"[!-)+-\-/-=?-~]+(?:\.[!-)+-\-/-=?-~]+)*")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,256}")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")
_FUNCTION = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_TOKEN = re.compile(r"[^!-)+-\-/-=?-~]")


def subject_flaw(subject: str) -> str | None:
    """Why `subject` is not a valid subject to publish on; None when it is. Wildcards are invalid."""
    if len(subject) > SUBJECT_MAX:
        return f"has {len(subject)} characters, at most {SUBJECT_MAX} are allowed"
    if not _SUBJECT.fullmatch(subject):
        return "may only hold visible ASCII, without wildcards and empty tokens"
    return None


def headers_flaw(headers: Mapping[str, str]) -> str | None:
    """Why the headers cannot be sent; None when they can."""
    size = 0
    for name, value in headers.items():
        if not _is_header_name(name):
            return f"name {shown(name)} is no header name"
        # Nearly all values are printable ASCII, which is seen without the expression.
        if value.isascii() and value.isprintable():
            size += len(name) + len(value) + 4
        elif _HEADER_VALUE.fullmatch(value):
            size += len(name) + len(value.encode()) + 4
        else:
            return f"{name} may not hold line ends or other control characters"
    return None if size <= HEADERS_MAX else f"need {size} bytes, at most {HEADERS_MAX} are allowed"


@lru_cache(256)
def _is_header_name(name: str) -> bool:
    return _HEADER_NAME.fullmatch(name) is not None


def function_name_flaw(name: str) -> str | None:
    """Why `name` is not a valid function name; None when it is."""
    if not _FUNCTION.fullmatch(name):
        return f"{shown(name)} is no function name; use letters, digits, '_' and '-', parted by dots"
    if len(name) > FUNCTION_NAME_MAX:
        return f"the function name {shown(name)} has {len(name)} characters; use at most {FUNCTION_NAME_MAX}"
    return None


def event_type_flaw(kind: str) -> str | None:
    """Why `kind` is not a valid event type; None when it is."""
    if len(kind) > EVENT_TYPE_MAX:
        return f"must not be longer than {EVENT_TYPE_MAX} characters, it has {len(kind)}"
    return text_flaw(kind)


def text_flaw(text: str) -> str | None:
    """Why a text is not a valid event attribute (CloudEvents 1.0.2, 3.1: no control characters)."""
    return "must not hold control characters" if _CONTROL.search(text) else None


def subject_tail(kind: str) -> str:
    """An event's type as the tail of a subject: characters that a token may not hold become `_`."""
    return ".".join(_NOT_IN_TOKEN.sub("_", token) or "_" for token in kind.split("."))


def shown(text: str) -> str:
    """A possibly long or unprintable text, made fit for a message."""
    return ascii(text if len(text) <= 60 else text[:60] + "...")
