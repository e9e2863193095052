"""`visapi run bulk`: one command for many runs, once their number was seen."""

import sys
from typing import Annotated

import typer

from visapi.cli import run_filters
from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import FAILURE, USAGE, as_item, console, done, fail, say
from visapi.client import Client, operations
from visapi_common.contracts.bulk import BulkAction


def bulk(  # noqa: PLR0913 (each is an option of the command)
    action: Annotated[BulkAction, typer.Argument(help="The action on each run.")],
    *,
    status: run_filters.Status = None,
    workflow: run_filters.Workflow = None,
    version: run_filters.Version = None,
    after: run_filters.After = None,
    before: run_filters.Before = None,
    attribute: run_filters.Attribute = None,
    query: run_filters.Query = None,
    parent: run_filters.Parent = None,
    schedule: run_filters.Schedule = None,
    to_version: Annotated[str | None, typer.Option(help="Retry or rerun in this version.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Kept in the histories of the runs and in the audit.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Cancel, suspend, resume, retry or rerun all runs that match the filters, after showing their number.

    Exit code 1 when some runs refuse the command.
    """
    filters = operations.Filters(
        status=[one.value for one in status or ()],
        workflow=workflow,
        version=version,
        created_after=after,
        created_before=before,
        attribute=attribute or [],
        q=query,
        parent=parent,
        schedule=schedule,
    )
    if not filters.params():
        fail(
            "no filter is given, so every run would be meant",
            hint="Say which, as for `visapi run list`.",
            code=USAGE,
        )
    wanted = operations.Bulk(action=action, filters=filters, version=to_version)
    with connected(url, data_dir) as client:
        counted = client.send(operations.count_bulk(wanted))
        if not counted.count:
            say(f"no runs to {action}")
            return
        if not yes:
            _confirm(f"{action} {counted.count:,} runs?")
        refused = _carry_out(client, wanted, counted.token, reason, json=json)
    if refused:
        raise typer.Exit(FAILURE)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        fail(f"there is no terminal to ask: {question}", hint="Add --yes to skip the question.", code=USAGE)
    if not typer.confirm(question, err=True):
        fail("nothing was done")


def _carry_out(client: Client, wanted: operations.Bulk, token: str, reason: str | None, *, json: bool) -> int:
    """Run all steps: refusals to standard output, progress to standard error. Returns the refusals."""
    accepted = unchanged = refused = 0
    following: str | None = token
    while following is not None:
        step = client.send(operations.step_bulk(wanted, following, reason))
        accepted += step.accepted
        unchanged += step.unchanged
        refused += len(step.refused)
        for one in step.refused:
            if json:
                as_item(one)
            else:
                console().print(f"{one.run}  {one.code}  {one.detail}")
        say(f"{step.handled:,} of {step.count:,}")
        following = step.next
    verb = "started" if wanted.action is BulkAction.RERUN else "accepted"
    done(f"{wanted.action}: {accepted:,} {verb}, {unchanged:,} unchanged, {refused:,} refused")
    return refused
