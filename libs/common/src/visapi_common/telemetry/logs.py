"""Structured JSON logs on standard output: one object per line, redacted, with trace, run and task ids.

Secrets are always masked, personal data unless it is shown on purpose; a line has a bounded length.
Records of the standard library's loggers (nats, uvicorn, asyncio) take the same path.
"""

import logging
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from visapi_common.core.redact import redact
from visapi_common.telemetry import propagation

Send = Callable[[Mapping[str, Any]], None]
"""Takes the redacted fields of one record."""

_HIDE: ContextVar[Callable[[Any], Any] | None] = ContextVar("hide", default=None)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_NOISY = ("httpx", "httpcore", "nats", "uvicorn.access", "opentelemetry", "asyncio", "PIL")
"""Libraries whose info records repeat our own records and metrics."""


def configure_logging(
    service: str, level: str, stream: TextIO | None = None, *, personal_data: bool = False
) -> "LogTap":
    """Send every log record of this process to `stream` (standard output) as JSON; exporters listen at the
    tap. `personal_data`: write it as it is.
    """
    out = stream or sys.stdout
    tap = LogTap()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.ExceptionRenderer(),
        _Redacted(personal=not personal_data),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Facts(service),
        tap,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_encode)],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_named, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_encode),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[level])
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, _LEVELS[level]))
    return tap


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger that adds the name of its part of the process."""
    return cast("FilteringBoundLogger", structlog.get_logger(part=name))


@contextmanager
def hiding(hide: Callable[[Any], Any]) -> Generator[None]:
    """Pass every record written inside the block through `hide`, which masks known secret values."""
    token = _HIDE.set(hide)
    try:
        yield
    finally:
        _HIDE.reset(token)


class _Facts:
    """Adds the service and the current trace to each record."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", self._service)
        traceparent = propagation.current()
        if traceparent is not None:
            event.setdefault("trace_id", propagation.trace_id_of(traceparent))
            event.setdefault("span_id", propagation.span_id_of(traceparent))
        return event


class LogTap:
    """Hands each redacted record to an exporter too, once there is one.

    Loggers keep the processors that they were first used with, so that an exporter which is opened later
    cannot be one of them.
    """

    send: Send | None = None

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if self.send is not None:
            # Under `_record` stands what a library logged, not redacted; `_…` are structlog's own.
            self.send({name: value for name, value in event.items() if not name.startswith("_")})
        return event


def _named(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        event.setdefault("part", record.name)
    return event


class _Redacted:
    """Masks secrets, and personal data unless that is shown."""

    def __init__(self, *, personal: bool) -> None:
        self._personal = personal

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        own = {name: value for name, value in event.items() if not name.startswith("_")}
        plain = cast("dict[str, Any]", redact(own, personal=self._personal))
        hide = _HIDE.get()
        shown = plain if hide is None else {name: hide(_as_data(value)) for name, value in plain.items()}
        # What structlog keeps under `_…` is never written.
        return {**shown, **{name: value for name, value in event.items() if name.startswith("_")}}


def _as_data(value: Any) -> Any:
    """A value in its written form."""
    return value if isinstance(value, str) else msgspec.to_builtins(value, enc_hook=repr)


def _encode(event: Any, **_options: Any) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=repr).decode("utf-8", "backslashreplace")
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        # Foreign text may not be encodable as JSON; logging it must not fail.
        return msgspec.json.encode(
            {ascii(name): ascii(value)[:2000] for name, value in event.items()}
        ).decode()
