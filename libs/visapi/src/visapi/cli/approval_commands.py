"""`visapi approval list|decide`: questions of workflows to people."""

from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, done, say
from visapi.cli.tables import Table
from visapi.client import operations

approvals = typer.Typer(no_args_is_help=True, help="List approvals and decide them.")


@approvals.command(name="list")
def list_(
    state: Annotated[str, typer.Option(help="open, decided, expired, cancelled or all.")] = "open",
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=200)] = 50,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List approvals, those of the newest runs first."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_approvals(state=state, limit=limit))
    if json:
        as_json(page.items)
        return
    if not page.items:
        say("no approvals")
        return
    shown = Table("approval", "workflow", "title", "choices", "state", "until", elastic=("workflow", "title"))
    for item in page.items:
        until = "" if item.expires_at is None else f"{item.expires_at:%Y-%m-%d %H:%M:%S}"
        state_text = item.state if item.decision is None else f"{item.decision} by {item.decided_by}"
        shown.add_row(str(item.id), item.workflow, item.title, ", ".join(item.choices), state_text, until)
    shown.show()


@approvals.command()
def decide(
    approval: Annotated[str, typer.Argument(help="The approval's id.")],
    decision: Annotated[str, typer.Argument(help="One of its choices, such as approve.")],
    comment: Annotated[str | None, typer.Option(help="The reason, which the workflow receives.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Decide. The first decision counts."""
    with connected(url, data_dir) as client:
        view = client.send(operations.decide_approval(approval, decision, comment))
    done(f"decided {view.decision!r} for run {view.run}")
