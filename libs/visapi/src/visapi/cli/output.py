"""How the command line speaks: results to stdout, everything else to stderr, colour only on terminals."""

import sys
from typing import Any, NoReturn

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from visapi_common.contracts.problems import FieldError

FAILURE = 1
USAGE = 2
AUTHENTICATION = 4
"""Exit codes, as the `gh` command line uses them."""

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


def console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def errors() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


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


def as_json(value: Any) -> None:
    """The machine's form of a result."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def status_text(status: str) -> Text:
    return Text(status, style=_STATUS_STYLE.get(status, ""))
