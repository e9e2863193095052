"""`visapi dead-letter edit|replay-many|replays|abort`: one letter with another event, and many at once."""

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.dead_letter_commands import dead_letters
from visapi.cli.output import FAILURE, USAGE, as_json, done, fail, say
from visapi.cli.run_follow import read_input
from visapi.cli.tables import Table
from visapi.client import dead_letter_operations as operations
from visapi_common.contracts.dead_letters import LetterKind, ReplayFilter, ReplayView, StartReplay

_LOOK_S = 0.5
_KINDS = get_args(LetterKind)
_TIMES = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]
Reason = Annotated[str | None, typer.Option(help="The reason, for the audit.")]


@dead_letters.command()
def edit(
    letter: Annotated[str, typer.Argument(help="The dead letter's id.")],
    event: Annotated[Path, typer.Argument(help="A file with a CloudEvent as JSON; - reads standard input.")],
    *,
    reason: Reason = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Replace the event of a dead letter, then replay it."""
    asked = operations.edit_dead_letter(letter, read_input(event), reason=reason)
    with connected(url, data_dir) as client:
        view = client.send(asked)
    done(f"dead letter {view.id} has another event; replay it")


@dead_letters.command(name="replay-many")
def replay_many(  # noqa: PLR0913 (each is an option of the command)
    *,
    kind: Annotated[
        str | None, typer.Option(help="Only letters about this, such as event or webhook.")
    ] = None,
    letter_reason: Annotated[str | None, typer.Option("--of-reason", help="Only with this reason.")] = None,
    function: Annotated[str | None, typer.Option(help="Only of tasks that call this function.")] = None,
    workflow: Annotated[str | None, typer.Option(help="Only about this workflow, namespace/name.")] = None,
    after: Annotated[
        datetime | None, typer.Option(formats=_TIMES, help="Only set aside then or later.")
    ] = None,
    before: Annotated[datetime | None, typer.Option(formats=_TIMES, help="Only set aside earlier.")] = None,
    rate: Annotated[int, typer.Option(min=1, max=100, help="Letters each second.")] = 10,
    reason: Reason = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")] = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Replay all open dead letters of a filter, at a rate. Ctrl-C stops waiting, not the replay."""
    if kind is not None and kind not in _KINDS:
        fail(f"there is no kind {kind!r}", hint=f"Use {', '.join(_KINDS)}.", code=USAGE)
    conditions: Any = {"kind": kind, "reason": letter_reason, "function": function, "workflow": workflow}
    wanted = ReplayFilter(**conditions, created_after=after, created_before=before)
    with connected(url, data_dir) as client:
        counted = client.send(operations.count_replay(wanted)).count
        if dry_run or not counted:
            done(f"{counted:,} dead letters to replay")
            return
        if not yes:
            _confirm(f"replay {counted:,} dead letters?")
        order = StartReplay(wanted, rate, reason)
        replay = client.send(operations.start_replay(order))
        while not detach and not _settled(replay):
            say(_told(replay))
            time.sleep(_LOOK_S)
            replay = client.send(operations.get_replay(str(replay.id)))
    done(f"replay {replay.id}: {_told(replay)}")
    if replay.failed:
        raise typer.Exit(FAILURE)


@dead_letters.command()
def replays(
    *,
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=200)] = 20,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List replays of many dead letters, newest first."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_replays(limit=limit))
    if json:
        as_json(page.items)
        return
    shown = Table("replay", "state", "progress", elastic=("progress",))
    for one in page.items:
        shown.add_row(str(one.id), one.state, _told(one))
    shown.show()


@dead_letters.command()
def abort(
    replay: Annotated[str, typer.Argument(help="The id of the replay.")],
    *,
    reason: Reason = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Abort a replay of many dead letters."""
    with connected(url, data_dir) as client:
        view = client.send(operations.abort_replay(replay, reason=reason))
    done(f"replay {view.id}: {_told(view)}")


def _settled(replay: ReplayView) -> bool:
    """Whether no more letters are asked for, and what became of each is known."""
    return replay.state != "running" and replay.replayed + replay.failed >= replay.asked


def _told(replay: ReplayView) -> str:
    asked = f"{replay.asked:,} of {replay.counted:,} asked for"
    return f"{asked}, {replay.replayed:,} replayed, {replay.failed:,} failed"


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        fail(f"there is no terminal to ask: {question}", hint="Add --yes to skip the question.", code=USAGE)
    if not typer.confirm(question, err=True):
        fail("nothing was done")
