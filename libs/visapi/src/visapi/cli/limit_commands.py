"""`visapi limits`: who is under way under flow control, and who waits."""

from typing import Annotated

import msgspec
import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json
from visapi.cli.tables import Table
from visapi.client import operations


def limits(
    workflow: Annotated[
        str | None, typer.Argument(help="`namespace/name`; all workflows if left out.")
    ] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the keys of `concurrency` and `rateLimit` that are in use: runs under way, runs that wait."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_limits(workflow))
    if json:
        as_json(page.items)
        return
    shown = Table(
        "workflow",
        "key",
        "limit",
        "under way",
        "waiting",
        "waiting since",
        "next turn",
        elastic=("workflow", "key"),
    )
    for item in page.items:
        key = "" if item.key is None else msgspec.json.encode(item.key).decode()
        limit = "" if item.limit is None else str(item.limit)
        times = [f"{at:%Y-%m-%d %H:%M:%S}" if at else "" for at in (item.waiting_since, item.next_turn)]
        shown.add_row(
            f"{item.namespace}/{item.name}", key, limit, str(item.under_way), str(item.waiting), *times
        )
    shown.show()
