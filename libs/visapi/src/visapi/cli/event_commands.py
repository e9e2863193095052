"""`visapi event send`: CloudEvents for workflows that listen."""

import secrets
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import USAGE, as_json, console, fail
from visapi.cli.run_follow import INPUT_BYTES_MAX, read_input
from visapi.client import event_operations as operations
from visapi_common.contracts.foreign import read_as

events = typer.Typer(no_args_is_help=True, help="Send events to workflows.")


@events.callback()
def _group() -> None:
    """Send events to workflows."""


@events.command()
def send(  # noqa: PLR0913 (each is an option of the command)
    file: Annotated[
        Path | None,
        typer.Argument(allow_dash=True, help="A CloudEvent or a list of them (JSON); - for stdin."),
    ] = None,
    *,
    type_: Annotated[
        str | None, typer.Option("--type", help="The type of one event, without a file.")
    ] = None,
    source: Annotated[str, typer.Option(help="Its source.")] = "/visapi/cli",
    identity: Annotated[
        str | None,
        typer.Option(
            "--id", help="The id of the event; two events of one id count once. The default is random."
        ),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Its subject.")] = None,
    body: Annotated[
        Path | None,
        typer.Option("--data", "-d", metavar="FILE", allow_dash=True, help="Its data (JSON); - for stdin."),
    ] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send events; all of them are committed, or none. Prints a line for each."""
    if (file is None) == (type_ is None):
        fail("give a file with events, or --type", code=USAGE)
    if file is None:
        given = {"subject": subject, "data": None if body is None else _read(body)}
        one = {"specversion": "1.0", "id": identity or secrets.token_hex(16), "source": source, "type": type_}
        wanted: list[Any] = [one | {name: value for name, value in given.items() if value is not None}]
    else:
        content = _read(file)
        wanted = cast("list[Any]", content) if isinstance(content, list) else [content]
    with connected(url, data_dir) as client:
        receipts = client.send(operations.send_events(wanted))
    if json:
        as_json(receipts.items)
        return
    for one in receipts.items:
        known = "  was known" if one.duplicate else ""
        console().print(f"{one.source} {one.id}{known}")


def _read(path: Path) -> Any:
    return read_as(object, read_input(path), bytes_max=INPUT_BYTES_MAX)
