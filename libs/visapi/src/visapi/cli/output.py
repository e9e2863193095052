"""How the command line speaks: results to stdout, everything else to stderr, colour only on terminals."""

from contextvars import ContextVar
from enum import StrEnum
from typing import Any, NoReturn, cast

import msgspec
import typer
from rich.text import Text

from visapi.cli.terminal import Terminal, shown, write
from visapi.client.failures import ANSWER_BYTES_MAX
from visapi_common.contracts.foreign import STORED_DEPTH_MAX, read_as
from visapi_common.contracts.problems import FieldError

FAILURE = 1
USAGE = 2
AUTHENTICATION = 4
NOT_FOUND = 5
UNREACHABLE = 6
TIMED_OUT = 8
EXIT_CODES = {
    0: "The command succeeded. A run that was followed completed.",
    FAILURE: "The command failed or was refused. A run that was followed did not complete.",
    USAGE: "The command line, a file or a setting is wrong; nothing was sent.",
    AUTHENTICATION: "There is no key, or the key may not do this.",
    NOT_FOUND: "The resource that the command names does not exist, or no longer exists.",
    UNREACHABLE: "The gateway did not answer. Whether the request had an effect is not known.",
    TIMED_OUT: "The time that was given to wait has passed.",
    130: "Ctrl-C ended the command.",
}
"""Every code with which `visapi` ends, and its meaning."""


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"


_FORMAT: ContextVar[Format] = ContextVar("format", default=Format.TABLE)
_LACKS_RESULT: ContextVar[bool] = ContextVar("lacks_result", default=False)

_STATUS_STYLE = {
    "completed": "green",
    "ready": "green",
    "faulted": "red",
    "cancelled": "yellow",
    "suspended": "yellow",
    "waiting": "yellow",
    "running": "cyan",
    "starting": "cyan",
    "not ready": "yellow",
}


def console() -> Terminal:
    return Terminal()


def errors() -> Terminal:
    return Terminal(stderr=True)


def say(text: str) -> None:
    """A remark for people; not part of the result."""
    errors().print(Text(text))


def done(text: str) -> None:
    errors().print(Text.assemble(("✓ ", "green"), text))


def fail(text: str, *, hint: str | None = None, code: int = FAILURE) -> NoReturn:
    """End the command with one clear message."""
    errors().print(Text.assemble(("error: ", "bold red"), text))
    if hint:
        errors().print(Text(hint))
    raise typer.Exit(code)


def mistakes(found: list[FieldError]) -> None:
    """Where a document is wrong, one line each."""
    for mistake in found:
        place = "" if mistake.line is None else f" (line {mistake.line}, column {mistake.column})"
        errors().print(Text.assemble("  ", (mistake.pointer or "/", "bold"), place, "  ", mistake.detail))


def asked_format() -> Format:
    """The format that the options of the running command ask for."""
    return _FORMAT.get()


def ask_format(wanted: Format, *, answer: bool = False) -> None:
    """Results of the running command are printed in this format. `answer`: the command only says what it did,
    so the last answer of the gateway is its result.
    """
    _FORMAT.set(wanted)
    _LACKS_RESULT.set(answer)


def lacks_result() -> bool:
    """Whether a result for machines is asked for and the running command has printed none itself."""
    return asked_format() is not Format.TABLE and _LACKS_RESULT.get()


def as_json(value: Any) -> None:
    """The machine's form of a result: JSON, unless `--output` asks for lines of JSON or for YAML."""
    _LACKS_RESULT.set(False)
    match asked_format():
        case Format.JSONL:
            for one in cast("list[Any]", value) if isinstance(value, list) else [value]:
                as_item(one)
        case Format.YAML:
            write(_yaml(value))
        case _:
            write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def as_item(value: Any) -> None:
    """One of several results that are printed as they come: a line of JSON, or a YAML document."""
    _LACKS_RESULT.set(False)
    if asked_format() is Format.YAML:
        write("---\n" + _yaml(value))
    else:
        write(msgspec.json.encode(value).decode() + "\n")


def _yaml(value: Any) -> str:
    """Where a terminal would obey a character, YAML of ASCII, in which each is an escape of YAML."""
    import yaml  # noqa: PLC0415 (most commands print none)

    plain = read_as(
        object, msgspec.json.encode(value), depth_max=STORED_DEPTH_MAX, bytes_max=ANSWER_BYTES_MAX
    )
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return text if shown(text) == text else yaml.safe_dump(plain, sort_keys=False)


def status_text(status: str) -> Text:
    return Text(status, style=_STATUS_STYLE.get(status, ""))
