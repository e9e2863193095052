"""`visapi retention show|set|reset`: how long ended runs are kept."""

from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, done
from visapi.cli.tables import Table
from visapi.client import retention_operations as operations
from visapi_common.contracts.retention import DAYS

retention = typer.Typer(no_args_is_help=True, help="Manage how long ended runs are kept.")
Namespace = Annotated[str, typer.Argument(help="The namespace of the workflows.")]


@retention.command()
def show(
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the namespaces that have a policy, and the default."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_retention())
    if json:
        as_json(page)
        return
    shown = Table("namespace", "days", "since", "set by", elastic=("set by",))
    for item in page.items:
        shown.add_row(
            item.namespace, str(item.days), f"{item.updated_at:%Y-%m-%d %H:%M:%S}", item.updated_by or ""
        )
    shown.add_row("all others", str(page.default_days), "", "")
    shown.show()


@retention.command(name="set")
def set_(
    namespace: Namespace,
    days: Annotated[int, typer.Argument(help=f"One of {', '.join(map(str, DAYS))}.")],
    reason: Annotated[str | None, typer.Option(help="The reason, for the audit.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Keep runs that start from now on for this many days after their end."""
    with connected(url, data_dir) as client:
        policy = client.send(operations.set_retention(namespace, days, reason))
    done(f"ended runs of {policy.namespace} that start from now on are kept for {policy.days} days")


@retention.command()
def reset(namespace: Namespace, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Reset a namespace to the default."""
    with connected(url, data_dir) as client:
        client.send(operations.reset_retention(namespace))
    done(f"{namespace} has the default again")
