"""`visapi run list`: finding runs again."""

from typing import Annotated

import typer

from visapi.cli import run_filters
from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, say, status_text
from visapi.cli.tables import Table
from visapi.client import operations


def list_runs(  # noqa: PLR0913 (each is an option of the command)
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
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=100)] = 20,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List runs, newest first. A run must match all filters."""
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
    shown = Table("run", "workflow", "status", "created", elastic=("workflow",))
    for run in page.items:
        name = f"{run.workflow.namespace}/{run.workflow.name} {run.workflow.version}"
        shown.add_row(str(run.id), name, status_text(run.status), f"{run.created_at:%Y-%m-%d %H:%M:%S}")
    shown.show()
    if page.next is not None:
        say(f"Shown: the newest {len(page.items)}. There are more: narrow the filters, or raise --limit.")
