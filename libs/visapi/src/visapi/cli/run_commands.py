"""`visapi run start|get|list|watch|cancel|retry`: runs."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import FAILURE, USAGE, as_json, console, done, fail, status_text, table
from visapi.cli.run_list import list_runs
from visapi.client import Client, operations
from visapi_common.contracts.runs import ENDED, HistoryItem, RunStatus, RunView

runs = typer.Typer(no_args_is_help=True, help="Start runs and follow them.")

Run = Annotated[str, typer.Argument(help="The run's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@runs.command()
def start(  # noqa: PLR0913 (each is an option of the command)
    workflow: Annotated[str, typer.Argument(help="namespace/name")],
    *,
    body: Annotated[
        Path | None, typer.Option("--input", "-i", allow_dash=True, help="A JSON file, or - for stdin.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Otherwise the highest deployed.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key starts one run only.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it to its end.")] = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: AsJson = False,
) -> None:
    """Start a run."""
    namespace, _, name = workflow.partition("/")
    if not name:
        fail(f"{workflow!r} names no workflow; write namespace/name", code=USAGE)
    call = operations.start_run(
        namespace, name, _read_input(body), version=version, idempotency_key=idempotency_key
    )
    with connected(url, data_dir) as client:
        run = client.send(call)
        if watch:
            _watch(client, str(run.id), json=json)
        elif json:
            as_json(run)
        else:
            console().print(str(run.id))


@runs.command()
def get(run: Run, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: AsJson = False) -> None:
    """Show a run."""
    with connected(url, data_dir) as client:
        view = client.send(operations.get_run(run))
    if json:
        as_json(view)
    else:
        _show(view)


runs.command(name="list")(list_runs)


@runs.command()
def watch(run: Run, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: AsJson = False) -> None:
    """Follow a run to its end. Exit code 1 when it does not complete."""
    with connected(url, data_dir) as client:
        _watch(client, run, json=json)


@runs.command()
def cancel(
    run: Run,
    reason: Annotated[str | None, typer.Option(help="Kept in the run's history.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Ask a run to stop. What it already did stays done."""
    with connected(url, data_dir) as client:
        client.send(operations.cancel_run(run, reason))
    done(f"asked {run} to cancel")


@runs.command()
def retry(  # noqa: PLR0913 (each is an option of the command)
    run: Run,
    *,
    body: Annotated[
        Path | None,
        typer.Option("--input", "-i", allow_dash=True, help="JSON: another input for the task."),
    ] = None,
    version: Annotated[str | None, typer.Option(help="Go on with this version of the workflow.")] = None,
    reason: Annotated[str | None, typer.Option(help="Kept in the run's history.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it to its end.")] = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Take a faulted run up again from the task that failed; what completed stays completed."""
    given = None if body is None else _read_input(body)
    with connected(url, data_dir) as client:
        client.send(operations.retry_run(run, body=given, version=version, reason=reason))
        done(f"took {run} up again")
        if watch:
            _watch(client, run, json=False)


def _read_input(path: Path | None) -> bytes:
    if path is None:
        return b""
    source = "stdin" if str(path) == "-" else str(path)
    try:
        body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        msgspec.json.decode(body)
    except OSError as error:
        fail(f"{source} cannot be read: {error.strerror}", code=USAGE)
    except msgspec.DecodeError as error:
        fail(f"{source} is not JSON: {error}", code=USAGE)
    return body


def _watch(client: Client, run: str, *, json: bool) -> None:
    for item in client.follow(run):
        if json:
            sys.stdout.write(msgspec.json.encode(item).decode() + "\n")
            sys.stdout.flush()
        else:
            console().print(_line(item))
    view = client.send(operations.get_run(run))
    if not json:
        _show(view)
    if view.status in ENDED and view.status != RunStatus.COMPLETED:
        raise typer.Exit(FAILURE)


def _line(item: HistoryItem) -> str:
    where = f"  {item.task.name}" if item.task else ""
    return f"{item.time:%H:%M:%S.%f}"[:-3] + f"  {item.type:<20}{where}"


def _show(run: RunView) -> None:
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
