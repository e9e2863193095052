"""`visapi dead-letter list|show|resolve|replay`: what waits for a person, and what the person decides."""

from textwrap import indent
from typing import Annotated

import typer
from rich.text import Text

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import USAGE, as_json, console, done, fail, say
from visapi.cli.tables import Table
from visapi.client import dead_letter_operations as operations
from visapi_common.contracts.dead_letters import DeadLetterView
from visapi_common.contracts.engine_messages import Decision

dead_letters = typer.Typer(
    no_args_is_help=True, help="List, resolve and replay dead letters; also `visapi dlq`."
)
_STATES = {"open": False, "resolved": True, "all": None}
_TIME = "%Y-%m-%d %H:%M:%S"


@dead_letters.command(name="list")
def list_(  # noqa: PLR0913 (each is an option of the command)
    *,
    kind: Annotated[
        str | None, typer.Option(help="Only letters about this, such as event, message or task.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Only with this reason.")] = None,
    function: Annotated[str | None, typer.Option(help="Only of tasks that call this function.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Only about this workflow, namespace/name.")] = None,
    state: Annotated[str, typer.Option(help="open, resolved or all.")] = "open",
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=200)] = 50,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List dead letters, newest first."""
    if state not in _STATES:
        fail(f"there is no state {state!r}", hint="Use open, resolved or all.", code=USAGE)
    with connected(url, data_dir) as client:
        wanted = operations.list_dead_letters(
            kind=kind,
            resolved=_STATES[state],
            reason=reason,
            function=function,
            workflow=workflow,
            limit=limit,
        )
        page = client.send(wanted)
    if json:
        as_json(page.items)
        return
    if not page.items:
        say("no dead letters")
        return
    shown = Table("dead letter", "kind", "reason", "time", "state", elastic=("reason", "state"))
    for letter in page.items:
        time = f"{letter.created_at:{_TIME}}"
        shown.add_row(str(letter.id), letter.kind, letter.reason, time, _state(letter))
    shown.show()


@dead_letters.command()
def show(
    letter: Annotated[str, typer.Argument(help="The dead letter's id.")],
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a dead letter with the start of the quarantined bytes."""
    with connected(url, data_dir) as client:
        view = client.send(operations.get_dead_letter(letter))
    if json:
        as_json(view)
        return
    facts = {
        "dead letter": str(view.id),
        "tenant": view.tenant,
        "kind": view.kind,
        "workflow": view.workflow,
        "item": " ".join(view.item),
        "run": None if view.run is None else str(view.run),
        "reason": view.reason,
        "detail": view.detail,
        "time": f"{view.created_at:{_TIME}}",
        "state": _state(view),
        "size": f"{view.size} bytes",
    }
    for name, fact in facts.items():
        if fact:
            console().print(Text.assemble((f"{name}: ", "dim"), fact))
    if view.text:
        console().print_block("\n" + indent(view.text, "  ", lambda _: True))


@dead_letters.command()
def resolve(
    letter: Annotated[str, typer.Argument(help="The dead letter's id.")],
    decision: Annotated[Decision, typer.Argument(help="The outcome of the effect.")],
    reason: Annotated[str | None, typer.Option(help="The reason, for the audit.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Resolve an uncertain effect: it happened, retry it, or fail the task."""
    with connected(url, data_dir) as client:
        view = client.send(operations.resolve_dead_letter(letter, decision, reason=reason))
    done(f"dead letter {view.id}: {decision.value}")


@dead_letters.command()
def replay(
    letter: Annotated[str, typer.Argument(help="The dead letter's id.")],
    reason: Annotated[str | None, typer.Option(help="The reason, for the audit.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Replay a dead letter. Mend the reason first."""
    asked = operations.replay_dead_letter(letter, reason=reason)
    with connected(url, data_dir) as client:
        view = client.send(asked)
    done(f"asked for dead letter {view.id} to be put back")


def _state(letter: DeadLetterView) -> str:
    if letter.resolved_at is None:
        return "open"
    if letter.replayed_at is not None:
        return f"replayed for {letter.resolved_by}"
    return f"{letter.resolution} by {letter.resolved_by}"
