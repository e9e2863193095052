"""What became of every accepted start: the judgement (pure), and the reading that it needs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.load.k6 import Answer, Sent
from bench.load.profiles import Profile
from kit.running_stack import database

WINDOW_S = 5.0
ANSWER_BREAKS_MS = 500.0
"""Beyond this 95th percentile of a window, the breakpoint is passed."""


@dataclass(frozen=True)
class RunSeen:
    status: str
    seconds: float
    """From acceptance to its end."""
    ended_at: float


@dataclass(frozen=True)
class Seen:
    """The ledger and the receivers after the load."""

    runs: Mapping[str, RunSeen]
    """Ended runs by id."""
    open_runs: int
    keys: int
    """Idempotency keys of this load in the ledger."""
    effects: Counter[str]
    """How often each effect was done: effect keys of tasks, subjects of mails."""


@dataclass(frozen=True)
class Account:
    planned: int
    accepted: int
    refused: int
    unanswered: int
    dropped: int
    completed: int
    lost: int
    """Accepted runs that have not completed."""
    doubled: int
    """Runs beyond one for each key, and effects beyond one for each key."""
    missing_effects: int

    @property
    def errors(self) -> int:
        return self.refused + self.unanswered + self.dropped

    @property
    def errors_share(self) -> float:
        return self.errors / max(1, self.accepted + self.errors)


def account(load: Profile, sent: Sent, seen: Seen, *, effects_per_run: int) -> Account:
    """Compare what was answered with what is in the ledger and with what was done."""
    accepted = [answer.run for answer in sent.answers if answer.status == 202]
    completed = sum(1 for run in accepted if run in seen.runs and seen.runs[run].status == "completed")
    all_completed = sum(1 for run in seen.runs.values() if run.status == "completed")
    repeated = sum(times - 1 for times in seen.effects.values())
    return Account(
        planned=load.planned,
        accepted=len(accepted),
        refused=sum(1 for answer in sent.answers if answer.status not in (0, 202)),
        unanswered=sum(1 for answer in sent.answers if answer.status == 0),
        dropped=sent.dropped,
        completed=completed,
        lost=len(accepted) - completed,
        doubled=max(0, len(seen.runs) + seen.open_runs - seen.keys) + repeated,
        missing_effects=max(0, effects_per_run * all_completed - len(seen.effects)),
    )


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def highest_steady_rate(answers: Sequence[Answer]) -> float:
    """The most accepted starts per second in a window of `WINDOW_S` before answers first became slow."""
    windows: dict[int, list[Answer]] = {}
    for answer in answers:
        windows.setdefault(int(answer.at // WINDOW_S), []).append(answer)
    best = 0.0
    for window in sorted(windows):
        held = windows[window]
        good = [answer for answer in held if answer.status == 202]
        if percentile([answer.ms for answer in held], 0.95) > ANSWER_BREAKS_MS or len(good) < 0.99 * len(
            held
        ):
            break
        best = max(best, len(good) / WINDOW_S)
    return best


def jobs_per_minute(load: Profile, seen: Seen) -> float:
    """Completed tasks per minute, from the first end to the last."""
    ends = [run.ended_at for run in seen.runs.values()]
    return 60 * load.jobs_per_run * len(ends) / max(1.0, max(ends) - min(ends)) if ends else 0.0


async def read_runs(
    data: Path, load: Profile, workflow: str, since: float
) -> tuple[dict[str, RunSeen], int, int]:
    """Ended runs, how many are open, and how many keys there are, straight from the ledger."""
    ledger = await database(data, "visapi_orchestrator")
    try:
        moment = datetime.fromtimestamp(since, UTC)
        rows = await ledger.fetch(
            "select id, status, created_at, ended_at from visapi.runs_done "
            "where namespace = 'bench' and name = $1 and created_at >= $2",
            workflow,
            moment,
        )
        left = await ledger.fetchval(
            "select count(*) from visapi.runs where namespace = 'bench' and name = $1", workflow
        )
    finally:
        await ledger.close()
    ended = {
        str(row["id"]): RunSeen(
            row["status"], (row["ended_at"] - row["created_at"]).total_seconds(), row["ended_at"].timestamp()
        )
        for row in rows
    }
    return ended, int(left or 0), await _keys(data, load)


async def _keys(data: Path, load: Profile) -> int:
    """Keys belong to tenants, and the gateway reads them tenant by tenant."""
    ledger = await database(data, "visapi_gateway")
    try:
        async with ledger.transaction():
            await ledger.execute("select set_config('visapi.tenants', 'default', true)")
            found = await ledger.fetchval(
                "select count(*) from visapi.idempotency where key like $1", f"{load.name}-%"
            )
    finally:
        await ledger.close()
    return int(found or 0)
