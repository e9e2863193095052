"""Overdue rows in memory; each claim pushes them."""

from collections import defaultdict
from uuid import UUID

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.rows import FakeRows, RunRow, backoff_ms
from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.contracts.runs import RunStatus
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.rules.messages import DueTimer, RunMessages
from visapi_orchestrator.transitions.rules.ledger_answers import ClaimedInbox

_KINDS = frozenset(kind.value for kind in InboxKind)
_SWEEPS_UNKNOWN = 5


class FakeNextTimer(msgspec.Struct, frozen=True):
    wait_s: float | None
    now_ms: int


class FakeDue:
    """See `timing.due_work.DueRows`."""

    def __init__(self, rows: FakeRows) -> None:
        self._rows = rows
        self.faults = Planned()
        self.asked: list[tuple[str, int]] = []
        """Which claims were made, and for how many rows at most."""

    async def claim_timers(self, limit: int) -> list[RunMessages]:
        self.asked.append(("timers", limit))
        self.faults.meet("claim_timers")
        now_ms = self._rows.now_ms
        due = [one for one in self._rows.timers.items() if one[1].due_ms <= now_ms]
        claimed = sorted(due, key=lambda one: one[1].due_ms)[:limit]
        for _, row in claimed:
            row.due_ms = now_ms + max(2000, min(60_000, now_ms - row.fire_ms))
        return [RunMessages(run, timers=[DueTimer(name, row.fire_ms)]) for (run, name), row in claimed]

    async def claim_runs(self, limit: int, overdue_s: float) -> list[tuple[str, UUID]]:
        self.asked.append(("runs", limit))
        self.faults.meet("claim_runs")
        pending: defaultdict[str, list[tuple[UUID, RunRow]]] = defaultdict(list)
        for run, row in self._rows.runs.items():
            if row.snapshot.status is RunStatus.PENDING:
                pending[row.snapshot.tenant].append((run, row))
        before_ms = self._rows.now_ms - overdue_s * 1000
        each = max(1, limit // max(1, len(pending)))
        claimed: list[tuple[str, UUID]] = []
        for tenant in sorted(pending):
            due = sorted(
                (one for one in pending[tenant] if one[1].sweep_ms <= before_ms),
                key=lambda one: one[1].sweep_ms,
            )
            for run, row in due[:each][: limit - len(claimed)]:
                row.sweep_ms = self._rows.now_ms + backoff_ms(row.sweeps)
                row.sweeps += 1
                claimed.append((tenant, run))
        return claimed

    async def claim_inbox(self, limit: int) -> ClaimedInbox:
        self.asked.append(("inbox", limit))
        self.faults.meet("claim_inbox")
        due = [one for one in self._rows.inbox.items() if one[1].sweep_ms <= self._rows.now_ms]
        runs: list[UUID] = []
        unknown: list[DeadLetterEntry] = []
        for (run, key), entry in sorted(due, key=lambda one: one[1].sweep_ms)[:limit]:
            entry.sweep_ms = self._rows.now_ms + backoff_ms(entry.sweeps)
            entry.sweeps += 1
            if entry.kind in _KINDS or entry.sweeps <= _SWEEPS_UNKNOWN:
                runs.append(run)
                continue
            unknown.append(
                DeadLetterEntry(
                    kind="inbox",
                    tenant=entry.tenant,
                    reason="bad-inbox",
                    detail=f"no release that runs here knows the kind {entry.kind!r}",
                    item=(key, entry.kind),
                    body=entry.body,
                    run=run,
                )
            )
        return ClaimedInbox(runs, unknown)

    async def next_timer(self) -> FakeNextTimer:
        self.faults.meet("next_timer")
        coming_ms = min((row.due_ms for row in self._rows.timers.values()), default=None)
        wait_s = None if coming_ms is None else (coming_ms - self._rows.now_ms) / 1000
        return FakeNextTimer(wait_s, self._rows.now_ms)

    async def first_timer(self) -> DeadLetterEntry | None:
        due = [one for one in self._rows.timers.items() if one[1].due_ms <= self._rows.now_ms]
        if not due:
            return None
        (run, name), _ = min(due, key=lambda one: one[1].due_ms)
        row = self._rows.runs.get(run)
        tenant = "" if row is None else row.snapshot.tenant
        return DeadLetterEntry(
            kind="timer", tenant=tenant, reason="bad-timer", detail="", item=(name,), run=run
        )
