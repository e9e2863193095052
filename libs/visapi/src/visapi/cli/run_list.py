"""`visapi run list`: finding runs again."""

from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, console, say, status_text, table
from visapi.client import operations
from visapi_common.contracts.runs import RunStatus


def list_runs(  # noqa: PLR0913 (each is an option of the command)
    *,
    status: Annotated[
        list[RunStatus] | None, typer.Option(help="Only runs in this state; may be repeated.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", "-w", help="namespace/name, or namespace")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Only runs of this version.")] = None,
    after: Annotated[str | None, typer.Option(help="Created then or later, as 2026-01-31T12:00:00Z.")] = None,
    before: Annotated[str | None, typer.Option(help="Created earlier.")] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", "-a", help="name:value, or 'name>=5'; may be repeated."),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option("--query", "-q", help="How an id or an attribute begins, or a workflow's name."),
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Only children of this run.")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="Only runs that namespace/name's schedule started.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=100)] = 20,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List runs, newest first. All filters must fit."""
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
    with connected(url, data_dir) as client:
        page = client.send(operations.list_runs(limit=limit, filters=filters))
    if json:
        as_json(page.items)
        return
    if not page.items:
        say("no runs")
        return
    shown = table("run", "workflow", "status", "created")
    for run in page.items:
        name = f"{run.workflow.namespace}/{run.workflow.name} {run.workflow.version}"
        shown.add_row(str(run.id), name, status_text(run.status), f"{run.created_at:%Y-%m-%d %H:%M:%S}")
    console().print(shown)
