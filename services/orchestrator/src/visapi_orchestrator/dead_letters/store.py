"""Dead letters in PostgreSQL."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool, Row
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.dead_letters import REPLAYABLE
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.core.cloudevents import TEST_IDS
from visapi_common.core.errors import ContentFault
from visapi_common.core.ids import Ids
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry, Replay
from visapi_orchestrator.kernel.rules.arriving_events import BadEvent, TenantDisabled, read_message

_SQL = load_queries("visapi_orchestrator.dead_letters", "queries.sql")
_EVENTS = load_queries("visapi_orchestrator.events.store", "events.sql")
_ROWS: Final = frozenset({"event", "emit", "schedule", "function", "timer", "inbox", "run"})
"""Kinds that have a row to retire; a message is terminated, a lifecycle event passed over."""
WEBHOOK_ATTEMPTS_MAX = 500
"""Attempts of one webhook, replays included; as the gateway has it."""
_CONDITIONS = ("kind", "reason", "function", "workflow", "created_after", "created_before")
_headers = Reader(dict[str, str])


class PostgresQuarantine:
    """See `dead_letters.quarantine.DeadLetterRows` and `dead_letters.replays.ReplayedRows`."""

    def __init__(self, pool: Pool, ids: Ids) -> None:
        self._pool = pool
        self._ids = ids

    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool:
        """Store the dead letter and retire the row in one transaction; True where the dead letter is new."""
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                return await set_aside(connection, self._ids.uuid7(), dead_letter)

    async def set_aside_messages(self, dead_letters: Sequence[DeadLetterEntry]) -> set[bytes]:
        """Store dead letters of messages, all or none; return the digests of the new ones."""
        with pg_faults():
            rows = await self._pool.fetch(
                _SQL["bury_messages"],
                [self._ids.uuid7() for _ in dead_letters],
                [one.tenant for one in dead_letters],
                [one.reason for one in dead_letters],
                [one.detail for one in dead_letters],
                [one.stored_item[0] for one in dead_letters],
                [one.headers for one in dead_letters],
                [one.body for one in dead_letters],
                [one.digest for one in dead_letters],
            )
        return {row["digest"] for row in rows}

    async def to_replay(self, limit: int) -> Sequence[Replay]:
        with pg_faults():
            return [_replay(row) for row in await self._pool.fetch(_SQL["to_replay"], limit)]

    async def replay(self, dead_letters: Sequence[Replay]) -> None:
        """Replay all of them in one transaction, except those that another process replayed meanwhile."""
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                locked = await connection.fetch(
                    _SQL["lock_replays"], [dead_letter.id for dead_letter in dead_letters]
                )
                waiting = {row["id"] for row in locked}
                for dead_letter in dead_letters:
                    if dead_letter.id in waiting:
                        await _put_back(connection, dead_letter)
                await connection.execute(_SQL["replayed"], list(waiting))

    async def reopen(self, dead_letter: UUID, detail: str) -> None:
        with pg_faults():
            await self._pool.execute(_SQL["reopen"], dead_letter, detail)

    async def due(self, limit: int) -> Sequence[UUID]:
        with pg_faults():
            return [row["id"] for row in await self._pool.fetch(_SQL["due_many"], limit)]

    async def step(self, replay: UUID) -> int:
        """See `dead_letters.many_replays.ManyReplayRows`."""
        with pg_faults():
            async with self._pool.acquire() as connection, connection.transaction():
                row = await connection.fetchrow(_SQL["hold_many"], replay)
                if row is None:
                    return 0
                conditions = [row[name] for name in _CONDITIONS]
                more = (row["created_by"], row["rate_per_s"])
                place = (row["tenant"], row["last"], replay, sorted(REPLAYABLE))
                asked = await connection.fetch(_SQL["ask_for_many"], *place, *conditions, *more)
                last = asked[0]["id"] if asked else None
                await connection.execute(_SQL["move_many_on"], replay, len(asked), last)
        return len(asked)

    async def sweep(self, limit: int) -> int:
        """Delete dead letters and replays of 30 days ago; return the larger of the numbers."""
        with pg_faults():
            gone = [await self._pool.execute(_SQL[name], limit) for name in ("sweep_letters", "sweep_many")]
        return max(int(status.rpartition(" ")[2]) for status in gone)


async def set_aside(connection: Connection, identity: UUID, dead_letter: DeadLetterEntry) -> bool:
    """As `PostgresQuarantine.set_aside`, within the caller's transaction."""
    fresh = await connection.fetchval(
        _SQL["bury"],
        identity,
        dead_letter.tenant,
        dead_letter.reason,
        dead_letter.detail,
        dead_letter.run,
        dead_letter.kind,
        dead_letter.stored_item,
        dead_letter.headers,
        dead_letter.body,
        dead_letter.digest,
    )
    if dead_letter.kind in _ROWS:
        await connection.execute(_SQL[f"retire_{dead_letter.kind}"], *_key(dead_letter))
    return fresh is not None


def _key(dead_letter: DeadLetterEntry | Replay) -> tuple[object, ...]:
    """The key of the row in the statements that retire and replay it."""
    match dead_letter.kind:
        case "event" | "emit":
            return (dead_letter.tenant, *dead_letter.item[:2])
        case "schedule":
            return (UUID(dead_letter.item[0]),)
        case "timer" | "inbox":
            return (dead_letter.run, dead_letter.item[0])
        case "run":
            return (dead_letter.run,)
        case _:
            return tuple(dead_letter.item)


async def _put_back(connection: Connection, dead_letter: Replay) -> None:
    match dead_letter.kind:
        case "message":
            await _take_in(connection, dead_letter)
        case "event":
            more = (dead_letter.item[2], dead_letter.body, TEST_IDS, dead_letter.edited)
            await connection.execute(_SQL["replay_event"], *_key(dead_letter), *more)
        case "emit":
            more = (dead_letter.item[2], dead_letter.body, dead_letter.edited)
            await connection.execute(_SQL["replay_emit"], *_key(dead_letter), *more)
        case "inbox":
            await connection.execute(
                _SQL["replay_inbox"], *_key(dead_letter), dead_letter.item[1], dead_letter.body
            )
        case "webhook":
            await _send_again(connection, dead_letter)
        case "lifecycle":
            raise ContentFault("a lifecycle event cannot be put back: later events were published already")
        case _:
            await connection.execute(_SQL[f"replay_{dead_letter.kind}"], *_key(dead_letter))


async def _take_in(connection: Connection, dead_letter: Replay) -> None:
    headers = _headers(dead_letter.headers or b"{}")
    if isinstance(headers, Unreadable):
        raise BadEvent(f"the headers of the message cannot be read: {headers.reason}")
    event = read_message(dead_letter.item[0], headers, dead_letter.body)
    if not await connection.fetch(_EVENTS["known_tenants"], [event.tenant]):
        raise BadEvent(f"there is no tenant {event.tenant!r}")
    columns = ([event.tenant], [event.source], [event.id], [event.type], [event.body])
    if await connection.fetch(_EVENTS["take_in"], *columns):
        raise TenantDisabled(event.tenant)


async def _send_again(connection: Connection, dead_letter: Replay) -> None:
    endpoint, message = (UUID(part) for part in dead_letter.item)
    given = (dead_letter.tenant, endpoint, message, WEBHOOK_ATTEMPTS_MAX)
    if not await connection.fetchval(_SQL["replay_webhook"], *given):
        raise ContentFault(f"the webhook is gone, or it was tried {WEBHOOK_ATTEMPTS_MAX} times")


def _replay(row: Row) -> Replay:
    return Replay(
        id=row["id"],
        kind=row["kind"],
        tenant=row["tenant"],
        item=tuple(row["item"]),
        body=row["body"] or b"",
        headers=row["headers"],
        run=row["run"],
        edited=row["edited_at"] is not None,
    )
