"""Shared by the commands of runs: reading an input, showing a run, following a run."""

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import typer
from rich.text import Text

from visapi.cli.output import FAILURE, USAGE, as_item, console, fail, status_text
from visapi.cli.tables import Table
from visapi.cli.waiting import Definition, OpenTask, definition_of
from visapi.client import Client, operations
from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Unreadable, read_as
from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import ENDED, HistoryItem, RunStatus, RunView

INPUT_BYTES_MAX = 16 * 1024 * 1024
"""Larger than the limit of any gateway, which enforces its own."""


class _Failed(msgspec.Struct, frozen=True):
    """What a failure's item in the history carries."""

    error: WorkflowError


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
    definition: Definition | None = None
    while True:
        for item in client.follow(run, after=after):
            after = item.seq
            if json:
                as_item(item)
                continue
            if definition is None and item.task is not None:
                definition = definition_of(client, client.send(operations.get_run(run)))
            console().print(_line(item, definition))
        view = client.send(operations.get_run(run))
        if view.status in ENDED:
            break
    if not json:
        show(view)
    if view.status != RunStatus.COMPLETED:
        raise typer.Exit(FAILURE)


def show(run: RunView, waiting: Sequence[str] = ()) -> None:
    """Print a run as a small table, with what it waits for."""
    shown = Table("", "")
    shown.add_row("run", str(run.id))
    shown.add_row("workflow", f"{run.workflow.namespace}/{run.workflow.name} {run.workflow.version}")
    shown.add_row("status", status_text(run.status))
    shown.add_row("created", f"{run.created_at:%Y-%m-%d %H:%M:%S %Z}")
    for name, value in run.attributes.items():
        shown.add_row(name, value if isinstance(value, str) else msgspec.json.encode(value).decode())
    if run.ended_at and run.started_at:
        shown.add_row("took", f"{(run.ended_at - run.started_at).total_seconds():.2f} s")
    for line in waiting:
        shown.add_row("waits for", line)
    if run.error is not None:
        if run.error.instance:
            shown.add_row("failed", f"{_task_name(run.error.instance)} ({run.error.instance})")
        shown.add_row("error", _said(run.error))
    elif run.status is RunStatus.COMPLETED:
        shown.add_row("output", bytes(run.output).decode())
    shown.show()


def _line(item: HistoryItem, definition: Definition | None) -> Text:
    """One step: the time, what happened, to which task; of a failure the error, of a wait what is awaited."""
    line = Text(f"{item.time:%H:%M:%S.%f}"[:-3] + f"  {item.type:<20}")
    if item.task is not None:
        line.append(f"  {item.task.name}")
    if item.type.endswith(".faulted"):
        error = _error_of(item)
        line.append("" if error is None else f"  {_said(error)}", "red")
    elif item.type == "task.started" and item.task is not None and definition is not None:
        reason = definition.reason(OpenTask(item.task, item.time), item.time, begun=True)
        line.append("" if reason is None else f"  waits for {reason}", "dim")
    return line


def _error_of(item: HistoryItem) -> WorkflowError | None:
    if isinstance(item.data, msgspec.UnsetType):
        return None
    read = read_as(_Failed, bytes(item.data), depth_max=STORED_DEPTH_MAX, bytes_max=INPUT_BYTES_MAX)
    return None if isinstance(read, Unreadable) else read.error


def _said(error: WorkflowError) -> str:
    title = error.title or error.type
    return f"{title} ({error.status}): {error.detail}" if error.detail else f"{title} ({error.status})"


def _task_name(pointer: str) -> str:
    return pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
