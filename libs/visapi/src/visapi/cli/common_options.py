"""The options that all commands of a kind share, given to each in one place when it is loaded.

A command with a parameter `json` prints results for machines where it is true: it gets `--output`, and `json`
says whether anything but a table is asked for. A command with a parameter `url` talks to a gateway: it gets
`--context` and `--curl`, which `cli.connection` reads; and `--output`, with which a command that only says
what it did prints the last answer of the gateway.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Annotated, Any

import typer

from visapi.cli.examples import examples_of
from visapi.cli.output import Format, ask_format, asked_format

_CONTEXT: ContextVar[str | None] = ContextVar("context", default=None)
_CURL: ContextVar[bool] = ContextVar("curl", default=False)


def with_common_options(command: Any, path: tuple[str, ...]) -> None:
    """Give a command, or each command of a group, its common options and its examples. `path` are the words
    after `visapi`.
    """
    for name, one in getattr(command, "commands", {}).items():
        with_common_options(one, (*path, name))
    command.epilog = "\n\n".join(f"Example: {line}" for line in examples_of(path)) or None
    names = {param.name: param for param in command.params}
    extra = _declared()
    if "json" in names:
        names["json"].help = "Short for --output json."
        names["json"].callback = _machine
    if ("json" in names or "url" in names) and not any("--output" in param.opts for param in command.params):
        _add(command, extra["output"], lambda value: ask_format(Format(value), answer="json" not in names))
    if "url" in names:
        _add(command, extra["context"], _CONTEXT.set)
        _add(command, extra["curl"], _CURL.set)


def asked_context() -> str | None:
    """The context that the running command names."""
    return _CONTEXT.get()


def asks_for_curl() -> bool:
    """Whether the running command is to be printed for `curl`, and nothing sent."""
    return _CURL.get()


def _options(
    output: Annotated[
        Format, typer.Option("--output", "-o", help="How the result is printed.")
    ] = Format.TABLE,
    context: Annotated[
        str | None,
        typer.Option(envvar="VISAPI_CONTEXT", help="The gateway and key saved by `visapi context add`."),
    ] = None,
    curl: Annotated[
        bool, typer.Option("--curl", help="Print the request as a `curl` command; send nothing.")
    ] = False,
) -> None:
    """Only declares."""


def _declared() -> dict[str, Any]:
    app = typer.Typer(add_completion=False)
    app.command()(_options)
    return {str(param.name): param for param in typer.main.get_command(app).params}


def _add(command: Any, param: Any, keep: Callable[[Any], object]) -> None:
    """An option whose value is kept for the command, which has no parameter for it. It is read first."""

    def callback(_ctx: Any, _param: Any, value: Any) -> None:
        keep(value)

    param.callback, param.is_eager, param.expose_value = callback, True, False
    command.params.append(param)


def _machine(_ctx: Any, _param: Any, value: Any) -> bool:
    """The value of `json`; the format is known by then."""
    if value and asked_format() is Format.TABLE:
        ask_format(Format.JSON)
    return asked_format() is not Format.TABLE
