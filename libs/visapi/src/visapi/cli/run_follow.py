"""What the commands of runs share: an input that is read, a run that is shown, a run that is followed."""

import sys
from pathlib import Path

import msgspec
import typer

from visapi.cli.output import FAILURE, USAGE, console, fail, status_text, table
from visapi.client import Client, operations
from visapi_common.contracts.foreign import Unreadable, read_as
from visapi_common.contracts.runs import ENDED, HistoryItem, RunStatus, RunView

INPUT_BYTES_MAX = 16 * 1024 * 1024
"""More than any gateway takes; what it takes, it says itself."""


def read_input(path: Path | None) -> bytes:
    """The JSON of a file or of stdin (`-`), as it stands there; nothing without a path."""
    if path is None:
        return b""
    source = "stdin" if str(path) == "-" else str(path)
    try:
        body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        fail(f"{source} cannot be read: {error.strerror}", code=USAGE)
    read = read_as(msgspec.Raw, body, bytes_max=INPUT_BYTES_MAX)
    if isinstance(read, Unreadable):
        fail(f"{source} is not JSON: {read.reason}", code=USAGE)
    return body


def follow(client: Client, run: str, *, json: bool) -> None:
    """Print each step as it is committed, then the run; exit code 1 when it did not complete.

    A run that somebody retries just as it ends is followed on: the run that is printed has ended.
    """
    after = 0
    while True:
        for item in client.follow(run, after=after):
            after = item.seq
            _print(item, json=json)
        view = client.send(operations.get_run(run))
        if view.status in ENDED:
            break
    if not json:
        show(view)
    if view.status != RunStatus.COMPLETED:
        raise typer.Exit(FAILURE)


def _print(item: HistoryItem, *, json: bool) -> None:
    if json:
        sys.stdout.write(msgspec.json.encode(item).decode() + "\n")
        sys.stdout.flush()
    else:
        console().print(_line(item))


def show(run: RunView) -> None:
    """Print a run as a small table."""
    shown = table("", "")
    shown.show_header = False
    shown.add_row("run", str(run.id))
    shown.add_row("workflow", f"{run.workflow.namespace}/{run.workflow.name} {run.workflow.version}")
    shown.add_row("status", status_text(run.status))
    shown.add_row("created", f"{run.created_at:%Y-%m-%d %H:%M:%S %Z}")
    for name, value in run.attributes.items():
        shown.add_row(name, value if isinstance(value, str) else msgspec.json.encode(value).decode())
    if run.ended_at and run.started_at:
        shown.add_row("took", f"{(run.ended_at - run.started_at).total_seconds():.2f} s")
    if run.error is not None:
        shown.add_row("error", f"{run.error.title or run.error.type}: {run.error.detail or ''}")
    elif run.status is RunStatus.COMPLETED:
        shown.add_row("output", bytes(run.output).decode())
    console().print(shown)


def _line(item: HistoryItem) -> str:
    where = f"  {item.task.name}" if item.task else ""
    return f"{item.time:%H:%M:%S.%f}"[:-3] + f"  {item.type:<20}{where}"
