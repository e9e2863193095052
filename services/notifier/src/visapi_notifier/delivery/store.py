"""The deliveries ledger in PostgreSQL: starts and ends are group-committed, leases renewed together."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.payloads import INLINE_LIMIT, Payload, inline
from visapi_common.core.errors import PermanentFault
from visapi_common.core.failures import failure_text
from visapi_common.runtime.group_commit import GroupCommit
from visapi_common.telemetry.logs import get_logger
from visapi_notifier.delivery.rules import (
    LEASE_S,
    Busy,
    DeliveryState,
    Held,
    LeaseGranted,
    Recorded,
    Start,
    Verdict,
)

_ATTEMPT_MAX = 32767
_BUSY_MIN_S = 0.25
_FORGET_EVERY_S = 60.0
_FORGET_MORE_S = 0.02
FORGET_LIMIT = 5000
"""Deliveries deleted by one statement; a full batch is followed by the next at once."""

_QUERIES = load_queries("visapi_notifier.delivery", "queries.sql")


class PostgresLedger:
    """The ledger of deliveries by effect key. `run` must be running."""

    def __init__(self, pool: Pool, payloads: PayloadStore | None, *, keep_days: int = 30) -> None:
        self._pool = pool
        self._payloads = payloads
        self._keep = timedelta(days=keep_days)
        self._starts = GroupCommit(self._write_starts)
        self._ends = GroupCommit(self._write_ends)
        self._asked = GroupCommit(self._read_known)
        self._log = get_logger("ledger")

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._starts.run())
            group.create_task(self._ends.run())
            group.create_task(self._asked.run())
            group.create_task(self._forget())

    async def start(self, start: Start) -> Verdict:
        return await self._starts.submit(start.message.effect_key, start)

    async def known(self, start: Start) -> Verdict:
        return await self._asked.submit(start.message.effect_key, start)

    async def finish(self, start: Start, state: DeliveryState, record: bytes) -> None:
        payload = msgspec.json.encode(await self._pack(start.message.tenant, record))
        await self._ends.submit(start.message.effect_key, (start.owner, state, payload))

    async def give_back(self, start: Start, record: bytes) -> None:
        payload = msgspec.json.encode(await self._pack(start.message.tenant, record))
        with pg_faults(effect=True):
            await self._pool.execute(
                _QUERIES["give_back"], start.message.effect_key, start.owner, payload, timeout=LEASE_S
            )

    async def read(self, tenant: str, record: bytes) -> bytes:
        payload = msgspec.json.decode(record, type=Payload)
        if payload.inline is not msgspec.UNSET:
            return bytes(payload.inline)
        if self._payloads is None:
            raise PermanentFault("the outcome lies in the artifact store; set VISAPI_ARTIFACTS_URL")
        return await self._payloads.unpack(tenant, payload)

    async def renew(self, leases: Sequence[tuple[str, str]]) -> set[str]:
        """Renew the leases. Returns the keys that are still ours."""
        keys, owners = [key for key, _ in leases], [owner for _, owner in leases]
        with pg_faults():
            rows = await self._pool.fetch(_QUERIES["renew"], keys, owners, _LEASE, timeout=LEASE_S)
        return {row["effect_key"] for row in rows}

    async def _pack(self, tenant: str, record: bytes) -> Payload:
        if len(record) <= INLINE_LIMIT or self._payloads is None:
            return inline(record)
        return await self._payloads.pack(tenant, record)

    async def _write_starts(self, starts: Mapping[str, Start]) -> Mapping[str, Verdict]:
        messages = [start.message for start in starts.values()]
        with pg_faults(effect=True):
            rows = await self._pool.fetch(
                _QUERIES["start"],
                [message.effect_key for message in messages],
                [message.tenant for message in messages],
                [message.run for message in messages],
                [message.path for message in messages],
                [message.function for message in messages],
                [min(message.attempt, _ATTEMPT_MAX) for message in messages],
                [start.owner for start in starts.values()],
                _LEASE,
                [key for key, start in starts.items() if start.repeatable],
            )
        return {row["effect_key"]: _verdict(row) for row in rows}

    async def _read_known(self, starts: Mapping[str, Start]) -> Mapping[str, Verdict]:
        with pg_faults():
            rows = await self._pool.fetch(
                _QUERIES["known"],
                list(starts),
                [start.message.run for start in starts.values()],
                [min(start.message.attempt, _ATTEMPT_MAX) for start in starts.values()],
                [start.owner for start in starts.values()],
                [start.repeatable for start in starts.values()],
                [start.varies for start in starts.values()],
            )
        return {row["effect_key"]: _verdict(row) for row in rows}

    async def _write_ends(self, ends: Mapping[str, tuple[str, DeliveryState, bytes]]) -> Mapping[str, None]:
        with pg_faults(effect=True):
            await self._pool.execute(
                _QUERIES["finish"],
                list(ends),
                [owner for owner, _, _ in ends.values()],
                [state.value for _, state, _ in ends.values()],
                [outcome for _, _, outcome in ends.values()],
            )
        return dict.fromkeys(ends)

    async def _forget(self) -> None:
        while True:
            more = False
            try:
                more = await self.forget() == FORGET_LIMIT
            except Exception as error:  # noqa: BLE001 (the deletion is retried; deliveries continue)
                self._log.warning("forget_failed", detail=failure_text(error))
            await asyncio.sleep(_FORGET_MORE_S if more else _FORGET_EVERY_S)

    async def forget(self) -> int:
        """Delete old deliveries, at most `FORGET_LIMIT`. Returns their number."""
        with pg_faults():
            status = await self._pool.execute(_QUERIES["forget"], self._keep, FORGET_LIMIT)
        return int(status.rpartition(" ")[2])


_LEASE = timedelta(seconds=LEASE_S)


def _verdict(row: Row) -> Verdict:
    # The row shows the state before the statement; absent means that another process inserts it now.
    if row["granted"]:
        return LeaseGranted()
    state = row["state"]
    if row["lapsed"] or state == DeliveryState.UNCERTAIN:
        return Held()
    if state == DeliveryState.STARTED and row["ours"]:
        return LeaseGranted()  # our own start, whose answer was lost
    if state in (DeliveryState.SENT, DeliveryState.FAILED):
        return Recorded(DeliveryState(state), row["outcome"])
    return Busy(max(_BUSY_MIN_S, (row["lease_s"] or 0.0) + _BUSY_MIN_S))
