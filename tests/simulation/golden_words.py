"""The lines of golden sessions: events are read from them, transitions are written as them."""

import re
from typing import Any, get_args

import msgspec

from simulation.session import RUN
from simulation.words import NOON
from visapi_common.contracts.problems import ERROR_BASE
from visapi_engine.machine.commands import CallTask, Command, OpenApproval, StartRun
from visapi_engine.machine.events import Event
from visapi_engine.machine.history import Entry
from visapi_engine.machine.result import Advance
from visapi_engine.machine.state import State

LINES_MAX = 40
"""Lines of history shown of one transition; of longer ones the beginning and the end."""
KINDS: dict[str, type[Any]] = {}
_SHORT = "…/"
"""Stands for the base of the specification's error types."""
_EMPTY: tuple[Any, ...] = (None, False, [], {})
_PATHS = {"name", "pointer"}
"""Fields of a call that its path says already."""
_AS_JSON = {"input", "output", "error", "event", "arguments", "shown"}
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def _kinds() -> None:
    for member in get_args(Event):
        for kind in get_args(member) or (member,):
            KINDS[kind.__name__] = kind


_kinds()


class Names:
    """Short names for ids that are hashes: `child-1`, `approval-1`, `event-1`, in the order of their coming."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {RUN: "run-0"}

    def call(self, kind: str, identity: str) -> None:
        """Name an id, if it has no name yet."""
        if identity not in self._names:
            number = 1 + sum(name.startswith(f"{kind}-") for name in self._names.values())
            self._names[identity] = f"{kind}-{number}"

    def shorten(self, text: str) -> str:
        """The text with names for ids."""
        for identity, name in self._names.items():
            text = text.replace(identity, name)
        return text.replace(ERROR_BASE, _SHORT)

    def lengthen(self, text: str) -> str:
        """The text with ids for names."""
        for identity, name in self._names.items():
            text = re.sub(rf"\b{name}\b", identity, text)
        return text.replace(_SHORT, ERROR_BASE)


def event_of(line: str, now_ms: int, names: Names) -> Event:
    """The event that a line tells. `at=+3s` moves the clock, counted from the start."""
    kind_name, _, rest = line.removeprefix("> ").partition(" ")
    kind = KINDS[kind_name]
    told = _pairs(names.lengthen(rest))
    at = told.pop("at", None)
    if at is not None:
        now_ms = NOON + round(float(at.removeprefix("+").removesuffix("s")) * 1000)
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {"now_ms": now_ms}
    for name in ("attempt", "run", "actor"):
        if name in fields and name not in told:
            told[name] = {"attempt": "1", "run": RUN, "actor": "operator"}[name]
    for name, text in told.items():
        values[name] = _value(fields[name].type, name, text)
    return kind(**values)


def _pairs(text: str) -> dict[str, str]:
    """`key=value` in a row; a value is JSON, or text without spaces."""
    found: dict[str, str] = {}
    while text:
        name, _, text = text.partition("=")
        length = _json_length(text) if text[0] in '{["' else len(text.partition(" ")[0])
        found[name], text = text[:length], text[length:].lstrip()
    return found


def _json_length(text: str) -> int:
    """The length of the JSON value at the beginning of a text."""
    depth = 0
    quoted = escaped = False
    for place, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = quoted
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            depth += (character in "{[") - (character in "}]")
        if depth == 0 and not quoted:
            return place + 1
    raise AssertionError(f"no JSON: {text}")


def _value(kind: Any, name: str, text: str) -> Any:
    if name == "event":
        return _encode({"specversion": "1.0", **_decode(text)})
    if name in _AS_JSON:
        return text.encode()
    plain = _decode(text) if text.startswith('"') or text in ("true", "false") or text.isdigit() else text
    return msgspec.convert(plain, kind)


def shown(step: Advance, names: Names, *, quiet: bool) -> list[str]:
    """What a transition led to, a line for each thing. A `quiet` run keeps no history."""
    for command in step.commands:
        _name(command, names)
    lines = [f"  {names.shorten(_command(command))}" for command in step.commands]
    if step.noted is not None:
        return [*lines, f"  noted {names.shorten(step.noted)}"]
    entries = [f"  history {names.shorten(_entry(entry))}" for entry in step.history if not quiet]
    if len(entries) > LINES_MAX:
        entries = [*entries[:6], f"  … {len(entries) - 9} more", *entries[-3:]]
    return [*lines, *entries, *(f"  {names.shorten(line)}" for line in _facts(step)), _status(step.state)]


def _name(command: Command, names: Names) -> None:
    match command:
        case StartRun(child=child):
            names.call("child", child)
        case OpenApproval(approval=approval):
            names.call("approval", approval)
        case _:
            return


def _command(command: Command) -> str:
    words = [type(command).__name__]
    for field in msgspec.structs.fields(type(command)):
        value = getattr(command, field.name)
        if field.name == "keys":
            words.append(f"links={len(value)}")
        elif isinstance(command, CallTask) and field.name in _PATHS:
            continue
        elif field.required or value not in (*_EMPTY, field.default):
            words.append(_word(field.name, value))
    return " ".join(words)


def _word(name: str, value: Any) -> str:
    if name.endswith("_ms"):
        return f"{name.removesuffix('_ms')}=+{(value - NOON) / 1000:g}s"
    if isinstance(value, bytes):
        return f"{name}={_cut(value.decode())}"
    if isinstance(value, str):
        return f"{name}={value}" if value and " " not in value else f"{name}={_text(value)}"
    return f"{name}={_text(value)}"


def _entry(entry: Entry) -> str:
    data = [f"{key}={_text(value)}" for key, value in (entry.data or {}).items()]
    place = [] if entry.task is None else [entry.task.pointer]
    return " ".join([entry.type, *place, *data])


def _facts(step: Advance) -> list[str]:
    """What stands beside commands and history."""
    found = [] if step.attributes is None else [f"attributes {_text(step.attributes)}"]
    state = step.state
    if state.admission is not None and any(entry.type == "workflow.started" for entry in step.history):
        found.append(f"admission {_text(state.admission)}")
    return found


def _status(state: State) -> str:
    can = " (can be retried)" if state.resume is not None else ""
    return f"  status {state.status.value}{can}"


def _text(value: Any) -> str:
    return _cut(_encode(value).decode())


def _cut(text: str) -> str:
    return text if len(text) <= 600 else f"{text[:80]}… ({len(text)} characters)"
