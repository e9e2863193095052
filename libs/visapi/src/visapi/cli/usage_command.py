"""`visapi usage`: what the tenant used, by day and workflow."""

from enum import StrEnum
from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, say
from visapi.cli.tables import Table
from visapi.client import rate_operations
from visapi_common.contracts.usage import UsageView

_NUMBERS = ("accepted", "retried", "completed", "faulted", "cancelled", "tasks", "deliveries")


class By(StrEnum):
    DAY = "day"
    WORKFLOW = "workflow"


def usage(  # noqa: PLR0913 (each is an option of the command)
    *,
    first: Annotated[str | None, typer.Option("--from", help="First day, such as 2027-01-31.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day; both in UTC.")] = None,
    workflow: Annotated[str | None, typer.Option("--workflow", "-w", help="namespace/name")] = None,
    by: Annotated[By | None, typer.Option(help="Sum up.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=100_000)] = 1000,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what was used in the last 30 days: runs, tasks, deliveries and bytes, by day and workflow."""
    items: list[UsageView] = []
    cursor: str | None = None
    with connected(url, data_dir) as client:
        while len(items) < limit:
            page = client.send(
                rate_operations.list_usage(
                    first=first,
                    last=last,
                    workflow=workflow,
                    by=by and by.value,
                    limit=min(200, limit - len(items)),
                    cursor=cursor,
                )
            )
            items += page.items
            cursor = page.next
            if cursor is None:
                break
    if json:
        as_json(items)
        return
    _show(items)
    if cursor is not None:
        say(f"Shown: the first {len(items)}. There are more: narrow the days, or raise --limit.")


def _show(items: list[UsageView]) -> None:
    shown = Table("day", "workflow", *_NUMBERS, "bytes", elastic=("workflow",))
    for item in items:
        day = "all" if item.day is None else str(item.day)
        numbers = [f"{getattr(item, name):,}" for name in _NUMBERS]
        shown.add_row(day, _workflow(item), *numbers, f"{item.artifact_bytes:,}")
    shown.show()


def _workflow(item: UsageView) -> str:
    if item.namespace is None:
        return "all"
    return f"{item.namespace}/{item.name}" if item.namespace else "unknown"
