"""Poison: stored rows that a loop of the orchestrator cannot work through, planted behind the product's back.

An earlier release, a restored backup or a hand at `psql` leaves such rows behind. Each may cost itself only.
"""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import psutil

from kit.waiting import eventually
from visapi_common.adapters.pool import Connection

EMITS = 256
"""As many as one round of publishing takes."""

LISTENER = """
document: {dsl: '1.0.3', namespace: poison, name: listener, version: '1.0.0'}
do:
  - hear: {listen: {to: {one: {with: {type: paid}}}}}
"""
NAP = """
document: {dsl: '1.0.3', namespace: poison, name: nap, version: '1.0.0'}
do:
  - nap: {wait: {hours: 1}}
"""
_SCHEDULED = """
document: {dsl: '1.0.3', namespace: poison, name: NAME, version: '1.0.0'}
schedule: {every: {hours: 1}}
do:
  - note: {set: {fired: true}}
"""
_SPECS = (
    b"\xff\xfe{",
    b'{"input":' + b"[" * 100_000,
    b'{"cron":"* * * * *","timezone":"Mars/Olympus"}',
    b'{"every_ms":0}',
)
_UNMATCHABLE = (b"\xff\xfe", b"[" * 100_000, b'{"data":"\xff"}', b"[1]")
_PUT_EVENT = (
    "insert into visapi.events_in (tenant, source, id, type, body, publish, matched_at)"
    " values ($1, $2, $3, $4, $5, $6, case when $6 then now() end)"
    " on conflict do nothing"
)
_PUT_INBOX = "insert into visapi.inbox (run, key, tenant, kind, body) values ($1, $2, $3, $4, $5) on conflict do nothing"
_PUT_FUNCTION = (
    "insert into visapi.functions (owner, name, version, spec) values ($1, $2, $3, $4) on conflict do nothing"
)


class Prepared(msgspec.Struct, frozen=True):
    """What is poisoned later: schedules, a run with a timer, one that is told something unheard of, a listener."""

    mark: str
    schedules: list[str]
    late: UUID
    told: UUID
    listening: UUID


FUNCTIONS = 3
"""Rows of functions in one planting; the orchestrator finds them when it heals the topology."""


def letters_soon(emits: int = EMITS) -> Counter[str]:
    """How many dead letters one planting leaves at once, by reason."""
    return Counter(
        {
            "unmatchable-event": len(_UNMATCHABLE),
            "unpublishable-event": emits,
            "bad-schedule": len(_SPECS),
            "bad-timer": 1,
        }
    )


class Poison:
    """Plants poison of one tenant. `url` is the orchestrator's."""

    def __init__(self, client: httpx.AsyncClient, tenant: str, url: str) -> None:
        self._client = client
        self._tenant = tenant
        self._url = url

    async def prepare(self, mark: str) -> Prepared:
        """Everything for which a working orchestrator is needed. `mark` tells the plantings of a test apart."""
        schedules = [
            await self._deploy(_SCHEDULED.replace("NAME", f"{mark}-{n}")) for n in range(len(_SPECS))
        ]
        nap = await self._deploy(NAP)
        late, told = await self._started(nap), await self._started(nap)
        listening = await self._started(await self._deploy(LISTENER))
        waiting = (
            "select (select count(*) = 2 from visapi.timers where run = any($1))"
            " and exists (select from visapi.subscriptions where run = $2)"
        )
        async with connection(self._url) as database:
            await eventually(lambda: database.fetchval(waiting, [late, told], listening), within_s=60)
        return Prepared(mark, schedules, late, told, listening)

    async def plant(self, prepared: Prepared, *, emits: int = EMITS) -> None:
        """Every kind at once, in one transaction; may be repeated when nobody knows whether it was done."""
        async with connection(self._url) as database, database.transaction():
            wrong = "update visapi.timers set fire_at = '-infinity', due_at = '-infinity' where run = $1"
            await database.execute(wrong, prepared.late)
            await self._events(database, prepared.mark, emits)
            await self._schedules(database, prepared.schedules)
            await self._functions(database, prepared.mark)
            for run in (prepared.told, UUID(int=1)):
                await database.execute(_PUT_INBOX, run, prepared.mark, self._tenant, "unheard-of", b"\xff")

    async def _deploy(self, document: str) -> str:
        answer = await self._insist(
            "/v1/workflows", content=document.encode(), headers={"Content-Type": "application/yaml"}
        )
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["name"]

    async def _insist(self, target: str, **request: Any) -> httpx.Response:
        """A service may be on its way back from a fault still."""

        async def answered() -> httpx.Response | None:
            try:
                answer = await self._client.post(target, **request)
            except httpx.TransportError:
                return None
            return None if answer.status_code in (429, 503) else answer

        return await eventually(answered, within_s=60)

    async def _started(self, name: str) -> UUID:
        answer = await self._insist(f"/v1/workflows/poison/{name}/runs", json={})
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return UUID(answer.json()["id"])

    async def _events(self, database: Connection, mark: str, emits: int) -> None:
        for n, body in enumerate(_UNMATCHABLE):
            await database.execute(_PUT_EVENT, self._tenant, mark, f"bad-{n}", "paid", body, False)
        for n in range(emits):
            kind, number = "a" * 5000, f"emit-{n}"
            event = {"specversion": "1.0", "id": number, "source": mark, "type": kind}
            body = msgspec.json.encode(event)
            await database.execute(_PUT_EVENT, self._tenant, mark, number, kind, body, True)

    async def _schedules(self, database: Connection, names: Sequence[str]) -> None:
        for name, spec in zip(names, _SPECS, strict=True):
            wrong = (
                "update visapi.schedules set spec = $3, next_at = now()"
                " where tenant = $1 and namespace = 'poison' and name = $2"
            )
            assert (await database.execute(wrong, self._tenant, name, spec)).endswith(" 1")

    async def _functions(self, database: Connection, mark: str) -> None:
        """Of nobody, of a name that is a pattern of subjects, and one that cannot be read."""
        for owner, name, spec in (
            ("", "acme.echo", b'{"name":"acme.echo"}'),
            (self._tenant, "acme.*.>", b'{"name":"acme.*.>"}'),
            (self._tenant, "acme.garbled", b"\xff{"),
        ):
            await database.execute(_PUT_FUNCTION, owner, name, mark, spec)


@contextlib.asynccontextmanager
async def connection(url: str) -> AsyncIterator[Connection]:
    """One connection, closed at the end. Waits for a server that is busy."""
    opened: Any = await asyncpg.connect(url, timeout=30)
    try:
        yield opened
    finally:
        await opened.close()


def orchestrators_url(process: int) -> str:
    """The URL with which an orchestrator of this process id reaches its database."""
    return psutil.Process(process).environ()["VISAPI_POSTGRES_URL"]


async def letters_of(url: str, reasons: Sequence[str]) -> Counter[str]:
    """How many dead letters of all tenants are open, by reason."""
    async with connection(url) as database:
        rows: Sequence[Any] = await database.fetch(
            "select reason, count(*) as count from visapi.dead_letters"
            " where resolved_at is null and detail <> '' and reason = any($1) group by reason",
            list(reasons),
        )
    return Counter({row["reason"]: row["count"] for row in rows})
