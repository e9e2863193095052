"""CloudEvents 1.0.2: structured JSON, JSON batches, and the binary mode of HTTP and NATS.

Every event is kept as one structured JSON object. Reading collects all mistakes.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from urllib.parse import unquote

from visapi_common.contracts.foreign import VALUE_DEPTH_MAX, Reader, Unreadable
from visapi_common.contracts.problems import FieldError
from visapi_common.core.wire_text import event_type_flaw, subject_tail, text_flaw

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_read = Reader(Any, depth_max=VALUE_DEPTH_MAX, nul=True)

ROOT_ATTRIBUTE = "visapiroot"
HOPS_ATTRIBUTE = "visapihops"
"""Extension attributes of events that runs emit: the root of the run, and the depth of runs they start."""
HOOK_ATTRIBUTE = "visapihook"
"""Extension attribute of events that came in through a hook: the hook's id. Only VisAPI sets it, so that a
workflow can tell an event whose sender was verified from one that somebody posted."""
HOOK_SOURCES = "/hooks/"
"""What the sources of events begin with that came in through hooks; no other event may have such a source."""
TEST_IDS = "visapi-test:"
"""What the ids of the rows of test keys' and test runs' events begin with, so that no live event with the
same source and id is taken for a repetition of one."""

_REQUIRED = ("specversion", "id", "source", "type")
_TEXTS = (*_REQUIRED, "subject", "time", "datacontenttype", "dataschema")
_NAME = re.compile(r"[a-z0-9]{1,64}")
_TEXT_MAX = 2048
_ERRORS_SHOWN = 10
_KEY_BYTES_MAX = 1024
"""`source` and `id` are the key of a row, and PostgreSQL keeps at most 2,704 bytes in an index."""
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)


def check_event(value: Any, at: str = "") -> list[FieldError]:
    """The mistakes of a structured event; empty when it is valid."""
    if not isinstance(value, dict):
        return [FieldError(at, "an event must be an object with specversion, id, source and type")]
    event = cast("dict[str, Any]", value)
    found = [
        FieldError(at, f'the attribute "{name}" is missing') for name in _REQUIRED if event.get(name) is None
    ]
    for name, given in event.items():
        problem = None if name in ("data", "data_base64") or given is None else attribute_flaw(name, given)
        if problem is not None:
            found.append(FieldError(f"{at}/{name.replace('~', '~0').replace('/', '~1')}", problem))
    if event.get("specversion") not in (None, "1.0"):
        found.append(FieldError(f"{at}/specversion", 'must be "1.0"'))
    if "data_base64" in event:
        found += _check_base64(event, at)
    return found


def check_foreign_event(value: Any, at: str = "") -> list[FieldError]:
    """The mistakes of an event that is posted, published or emitted: its source is none of a hook."""
    found = check_event(value, at)
    flaw = None if found else reserved_source_flaw(value["source"])
    return found if flaw is None else [FieldError(f"{at}/source", flaw)]


def reserved_source_flaw(source: str) -> str | None:
    """Why only a hook's events may have a source; None where any event may."""
    if not source.startswith(HOOK_SOURCES):
        return None
    return f'must not begin with "{HOOK_SOURCES}", which is kept for events of hooks; give another source'


def attribute_flaw(name: str, value: Any) -> str | None:
    """Why an event attribute is invalid; None when it is valid."""
    if not _NAME.fullmatch(name):
        return "an attribute's name has lower-case letters and digits only (CloudEvents 1.0.2, 3.1)"
    if name in _TEXTS:
        if not isinstance(value, str) or not value:
            return "must be text that is not empty"
        return _check_text(name, value)
    if not isinstance(value, str | bool | int):
        return "an extension attribute is text, a whole number or a flag"
    return text_flaw(value) if isinstance(value, str) else None


def _check_text(name: str, value: str) -> str | None:
    if name == "type":
        return event_type_flaw(value)
    most = _KEY_BYTES_MAX if name in ("source", "id") else _TEXT_MAX
    if len(value) > most or (name in ("source", "id") and len(value.encode("utf-8", "replace")) > most):
        return f"must not be longer than {most} {'bytes' if most == _KEY_BYTES_MAX else 'characters'}"
    return text_flaw(value) or (_check_time(value) if name == "time" else None)


def _check_time(value: str) -> str | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        return "must be a time such as 2026-01-31T09:30:00Z (RFC 3339)"
    return None


def _check_base64(event: dict[str, Any], at: str) -> list[FieldError]:
    if event.get("data") is not None:
        return [FieldError(f"{at}/data_base64", "give data or data_base64, not both")]
    try:
        b64decode(event["data_base64"], validate=True)
    except (Base64Error, TypeError, ValueError):
        return [FieldError(f"{at}/data_base64", "must be base64 (RFC 4648, section 4)")]
    return []


def from_outside(event: dict[str, Any]) -> dict[str, Any]:
    """Strip the attributes of a foreign event that only VisAPI may set; the depth of its family is kept."""
    return {name: value for name, value in event.items() if name not in (ROOT_ATTRIBUTE, HOOK_ATTRIBUTE)}


def read_event(headers: Mapping[str, str], body: bytes) -> dict[str, Any] | Unreadable:
    """The event of a foreign message, structured or binary, or the reason why there is none."""
    lower = {name.lower(): value for name, value in headers.items()}
    if is_binary(lower):
        value: Any = from_binary(lower, body)
    else:
        value = _read(body)
        if isinstance(value, Unreadable):
            return Unreadable(f"neither a structured nor a binary CloudEvent: {value.reason}")
    errors = check_foreign_event(value)
    if errors:
        mistakes = (f"{error.pointer or 'the event'}: {error.detail}" for error in errors[:_ERRORS_SHOWN])
        return Unreadable("; ".join(mistakes))
    return from_outside(cast("dict[str, Any]", value))


def is_binary(names: Mapping[str, str]) -> bool:
    """Whether headers (lower case) say that this is an event in binary mode."""
    return "ce-specversion" in names or "ce-type" in names


def from_binary(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The structured form of a binary event: attributes in `ce-` headers (lower case), data in the body.

    JSON becomes `data`, UTF-8 text too, anything else `data_base64`.
    """
    event: dict[str, Any] = {
        name[3:]: _unquoted(value) for name, value in headers.items() if name.startswith("ce-")
    }
    content_type = headers.get("content-type")
    if content_type:
        event["datacontenttype"] = content_type
    if not body:
        return event
    if content_type is None or _JSON.fullmatch(content_type.strip()):
        data = _read(body)
        if not isinstance(data, Unreadable):
            return {**event, "data": data}
    elif content_type.lower().startswith("text/"):
        try:
            return {**event, "data": body.decode()}
        except UnicodeDecodeError:
            pass
    return {**event, "data_base64": b64encode(body).decode()}


def _unquoted(value: str) -> str:
    """Decode percent-encoding (CloudEvents, HTTP binding, 3.1.3.2)."""
    return unquote(value) if "%" in value else value


def subject_of(kind: str) -> str:
    """An event's type as the tail of a NATS subject: no spaces, wildcards or empty tokens."""
    return subject_tail(kind)
