"""Overdue rows, straight from PostgreSQL."""

from uuid import UUID

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.core.failures import storable
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.rules.messages import DueTimer, RunMessages
from visapi_orchestrator.transitions.rules.ledger_answers import ClaimedInbox

_SQL = load_queries("visapi_orchestrator.timing.store", "due.sql")
_KINDS = [kind.value for kind in InboxKind]
_KIND_CHARS_MAX = 100
_SWEEPS_UNKNOWN = 5
"""The sixth sweep comes a minute after the row: a newer orchestrator would have taken the row by then."""


class NextTimer(msgspec.Struct, frozen=True):
    """Seconds until the next timer (None: there is none), and the database's clock."""

    wait_s: float | None
    now_ms: int


class PostgresDue:
    """See `transitions.ports.Due`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim_timers(self, limit: int) -> list[RunMessages]:
        """Claim due timers: they become due again later, in case this process dies."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["claim_timers"], limit)
        return [RunMessages(row["run"], timers=[DueTimer(row["id"], row["fire_at_ms"])]) for row in rows]

    async def claim_runs(self, limit: int, overdue_s: float) -> list[tuple[str, UUID]]:
        """Pending runs overdue by `overdue_s`, with their tenants; of each tenant as many as of any other."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["claim_runs"], limit, overdue_s)
        return [(row["tenant"], row["id"]) for row in rows]

    async def claim_inbox(self, limit: int) -> ClaimedInbox:
        """Runs with overdue inbox rows, and rows of a kind that no release has taken for long."""
        with pg_faults():
            rows = await self._pool.fetch(_SQL["claim_inbox"], limit, _KINDS, _SWEEPS_UNKNOWN)
        unknown = [_unknown(row) for row in rows if row["unknown"]]
        return ClaimedInbox([row["run"] for row in rows if not row["unknown"]], unknown)

    async def first_timer(self) -> DeadLetterEntry | None:
        """The due timer that is claimed first."""
        with pg_faults():
            row = await self._pool.fetchrow(_SQL["first_timer"])
        if row is None:
            return None
        return DeadLetterEntry(
            kind="timer",
            tenant=row["tenant"] or "",
            reason="bad-timer",
            detail="",
            item=(row["id"],),
            run=row["run"],
        )

    async def next_timer(self) -> NextTimer:
        with pg_faults():
            row = await self._pool.fetchrow(_SQL["next_timer"])
        assert row is not None
        return NextTimer(row["wait_s"], row["now_ms"])


def _unknown(row: Row) -> DeadLetterEntry:
    kind = storable(row["kind"], _KIND_CHARS_MAX)
    return DeadLetterEntry(
        kind="inbox",
        tenant=row["tenant"],
        reason="bad-inbox",
        detail=f"no release that runs here knows the kind {kind!r}; replay the dead letter once one does",
        item=(row["key"], row["kind"]),
        body=row["body"],
        run=row["run"],
    )
