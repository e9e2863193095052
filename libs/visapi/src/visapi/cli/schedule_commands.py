"""`visapi schedule list|show|pause|resume|trigger|backfill`: workflows that start at times."""

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, console, done, say
from visapi.cli.tables import Table
from visapi.cli.workflow_group import name_of
from visapi.client import schedule_operations as operations
from visapi_common.contracts.schedules import Backfill, ScheduleView

schedules = typer.Typer(no_args_is_help=True, help="Look after workflows that start by schedule.")
Name = Annotated[str, typer.Argument(metavar="WORKFLOW", help="namespace/name")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_TIME = "%Y-%m-%d %H:%M:%S"


@schedules.command(name="list")
def list_(
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=100_000)] = 200,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """List schedules, by the names of their workflows."""
    with connected(url, data_dir) as client:
        found = list(islice(client.schedules.list(), limit))
    if json:
        as_json(found)
        return
    if not found:
        say("no schedules")
        return
    shown = Table("workflow", "version", "state", "next", elastic=("workflow",))
    for one in found:
        following = f"{one.next[0]:{_TIME}}" if one.next else ""
        shown.add_row(f"{one.namespace}/{one.name}", one.version, _state(one), following)
    shown.show()


@schedules.command()
def show(workflow: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """Show a schedule, its next times and its latest decisions."""
    with connected(url, data_dir) as client:
        view = client.send(operations.get_schedule(*name_of(workflow)))
    if json:
        as_json(view)
        return
    shown = Table("", "", "")
    shown.add_row("workflow", f"{view.namespace}/{view.name} {view.version}", _state(view))
    for at in view.next:
        shown.add_row("next", f"{at:{_TIME}}", "")
    for fire in view.fires:
        shown.add_row(fire.outcome, f"{fire.at:{_TIME}}", "" if fire.run is None else str(fire.run))
    shown.show()


@schedules.command()
def pause(workflow: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """Start nothing more, until the schedule is resumed."""
    with connected(url, data_dir) as client:
        view = client.send(operations.pause_schedule(*name_of(workflow)))
    if json:
        as_json(view)
    done(f"{workflow} is paused")


@schedules.command()
def resume(workflow: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """Start runs again, from now on."""
    with connected(url, data_dir) as client:
        view = client.send(operations.resume_schedule(*name_of(workflow)))
    if json:
        as_json(view)
    done(f"{workflow} goes on")


@schedules.command()
def trigger(
    workflow: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False
) -> None:
    """Start a run of a schedule now, and print its id."""
    with connected(url, data_dir) as client:
        started = client.send(operations.trigger_schedule(*name_of(workflow)))
    if json:
        as_json(started)
        return
    console().print(started.run)


@schedules.command()
def backfill(  # noqa: PLR0913 (each is an option of the command)
    *,
    workflow: Name,
    first: Annotated[datetime, typer.Option("--from", help="The first time, in UTC.")],
    last: Annotated[datetime, typer.Option("--to", help="The last time, in UTC.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the times.")] = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """Run the missed times of a range, at most 1,000. A repeated command starts no run twice."""
    wanted = Backfill(first.replace(tzinfo=UTC), last.replace(tzinfo=UTC), dry_run)
    namespace, name = name_of(workflow)
    with connected(url, data_dir) as client:
        filled = client.send(operations.backfill_schedule(namespace, name, wanted))
    if json:
        as_json(filled)
        return
    done(f"{filled.fires:,} times in the range, {filled.started:,} runs started")


def _state(view: ScheduleView) -> str:
    return "paused" if view.paused else "active"
