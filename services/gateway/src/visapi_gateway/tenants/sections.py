"""The sections of an export, and its lines. Pure."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import msgspec

FORMAT = 1
_NIL = "00000000-0000-0000-0000-000000000000"
SECTIONS: Mapping[str, list[str]] = {
    "keys": [""],
    "rates": [""],
    "retention_policies": [""],
    "workflows": ["", "", ""],
    "schedules": ["", ""],
    "secrets": [""],
    "accounts": ["", "-1"],
    "hooks": [_NIL],
    "hook_deliveries": [_NIL, ""],
    "endpoints": [_NIL],
    "endpoint_news": ["-1"],
    "endpoint_messages": [_NIL, "-1"],
    "endpoint_attempts": [_NIL, "-1", "-1"],
    "templates": ["", "0"],
    "functions": ["", ""],
    "runs": [_NIL],
    "runs_done": [_NIL],
    "approvals": [_NIL],
    "events": ["", ""],
    "dead_letters": [_NIL],
    "usage": ["0001-01-01", "", ""],
    "audit": ["-1"],
}
"""The sections that are rows, in their order, with the position before the first row of each."""
OF_RUNS = ("runs", "runs_done")
HISTORY = "history"
FIRST_HISTORY = ["-1"]
OBJECTS = ("artifacts", "payloads", "template_contents")
LEFT_OUT = {
    "secrets": "names only: values are sealed, and no service but the notifier reads them",
    "accounts": "without credentials, which are sealed as secrets are",
    "keys": "without hashes",
    "open work": "tasks, timers, states and commands of open runs are means of the engine",
    "deliveries": "what workers note of effects under way; the history of each run has their outcomes",
    "requests": "idempotency keys, refused requests of hooks, and replays of many dead letters",
    "removed things": "hooks and endpoints that were removed",
}
_encode = msgspec.json.Encoder().encode


def line(value: Mapping[str, Any]) -> bytes:
    return _encode(value) + b"\n"


def row_line(section: str, row: Mapping[str, Any]) -> bytes:
    """A row as one line. A column of bytes is written as JSON where the bytes are JSON, else in base64."""
    columns = {
        name: _value(value) if isinstance(value, bytes) else value
        for name, value in row.items()
        if name != "at"
    }
    return line({"section": section, "row": columns})


def piece_line(section: str, name: str, offset: int, piece: bytes) -> bytes:
    """A piece of an artifact or of a large value."""
    return line({"section": section, "id": name, "offset": offset, "base64": b64encode(piece).decode()})


def _value(value: bytes) -> Any:
    try:
        value.decode()  # msgspec passes over texts that are no UTF-8
        return msgspec.Raw(msgspec.json.format(value, indent=-1))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"base64": b64encode(value).decode()}
