"""`visapi run`: commands that start and show runs. Commands that change runs are in `run_control`."""

from pathlib import Path
from typing import Annotated

import typer

from visapi.cli import run_changes, run_control
from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import USAGE, as_json, console, fail
from visapi.cli.run_bulk import bulk
from visapi.cli.run_follow import follow, read_input, show
from visapi.cli.run_list import list_runs
from visapi.cli.waiting import waits
from visapi.client import operations
from visapi_common.contracts.runs import ENDED

runs = typer.Typer(no_args_is_help=True, help="Start, follow and command runs.")

Run = Annotated[str, typer.Argument(help="The run's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@runs.command()
def start(  # noqa: PLR0913 (each is an option of the command)
    workflow: Annotated[str, typer.Argument(help="namespace/name")],
    *,
    body: Annotated[
        Path | None, typer.Option("--input", "-i", allow_dash=True, help="A JSON file, or - for stdin.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="The default is the highest deployed version.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key starts one run only.")] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow the run to its end.")] = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: AsJson = False,
) -> None:
    """Start a run."""
    namespace, _, name = workflow.partition("/")
    if not name:
        fail(f"{workflow!r} names no workflow; write namespace/name", code=USAGE)
    call = operations.start_run(
        namespace, name, read_input(body), version=version, idempotency_key=idempotency_key
    )
    with connected(url, data_dir) as client:
        run = client.send(call)
        if watch:
            follow(client, str(run.id), json=json)
        elif json:
            as_json(run)
        else:
            console().print(str(run.id))


@runs.command()
def get(run: Run, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: AsJson = False) -> None:
    """Show a run: its error when it failed, what it waits for while it is open."""
    with connected(url, data_dir) as client:
        view = client.send(operations.get_run(run))
        waiting = [] if json or view.status in ENDED else waits(client, view)
    if json:
        as_json(view)
    else:
        show(view, waiting)


@runs.command()
def watch(run: Run, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: AsJson = False) -> None:
    """Follow a run to its end. Exit code 1 when it does not complete."""
    with connected(url, data_dir) as client:
        follow(client, run, json=json)


runs.command(name="list")(list_runs)
runs.command(name="follow")(run_changes.follow)
for _command in (
    run_control.cancel,
    run_control.suspend,
    run_control.resume,
    run_control.retry,
    run_control.rerun,
    bulk,
):
    runs.command()(_command)
