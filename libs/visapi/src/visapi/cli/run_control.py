"""`visapi run cancel|suspend|resume|retry|rerun`: commands to runs."""

from pathlib import Path
from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, console, done
from visapi.cli.run_follow import follow, read_input
from visapi.client import operations

Run = Annotated[str, typer.Argument(help="The run's id.")]
Reason = Annotated[str | None, typer.Option(help="Kept in the run's history and in the audit.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Follow the run to its end.")]


def cancel(run: Run, reason: Reason = None, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Ask a run to stop. Completed effects are not undone."""
    with connected(url, data_dir) as client:
        client.send(operations.cancel_run(run, reason))
    done(f"asked {run} to cancel")


def suspend(run: Run, reason: Reason = None, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Suspend a run: results are recorded, nothing new is started."""
    with connected(url, data_dir) as client:
        client.send(operations.suspend_run(run, reason))
    done(f"asked {run} to suspend")


def resume(run: Run, reason: Reason = None, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Resume a suspended run."""
    with connected(url, data_dir) as client:
        client.send(operations.resume_run(run, reason))
    done(f"asked {run} to go on")


def retry(  # noqa: PLR0913 (each is an option of the command)
    run: Run,
    *,
    body: Annotated[
        Path | None,
        typer.Option("--input", "-i", allow_dash=True, help="A new input (JSON) for the failed task."),
    ] = None,
    version: Annotated[str | None, typer.Option(help="Continue with this version of the workflow.")] = None,
    reason: Reason = None,
    watch: Watch = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Retry a faulted run from its failed task; completed tasks stay completed."""
    given = None if body is None else read_input(body)
    with connected(url, data_dir) as client:
        view = client.send(operations.retry_run(run, body=given, version=version, reason=reason))
        done(f"took {run} up again")
        if watch:
            follow(client, run, json=json)
        elif json:
            as_json(view)


def rerun(  # noqa: PLR0913 (each is an option of the command)
    run: Run,
    *,
    body: Annotated[
        Path | None,
        typer.Option(
            "--input", "-i", allow_dash=True, help="A new input (JSON) in place of the original one."
        ),
    ] = None,
    version: Annotated[str | None, typer.Option(help="The default is the version of the run.")] = None,
    reason: Reason = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key starts one run only.")] = None,
    watch: Watch = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Start a new run like this one, from the beginning; prints its id."""
    given = None if body is None else read_input(body)
    with connected(url, data_dir) as client:
        new = client.send(
            operations.rerun_run(
                run, body=given, version=version, reason=reason, idempotency_key=idempotency_key
            )
        )
        if watch:
            follow(client, str(new.id), json=json)
        elif json:
            as_json(new)
        else:
            console().print(str(new.id))
