"""Accepting runs: many requests, few transactions, one promise.

A lane takes everything that waits (at most `BATCH_LIMIT`), never waiting for more, and has it
inserted by one statement. While one batch commits the next one gathers, so batches grow with load
and are single rows without it. `202` is sent only after the commit (DESIGN 3.1):

- refused for its contents      → its halves, so that the row that is refused fails alone;
- surely not committed          → `TransientFault`, which becomes 503 with `Retry-After`;
- the answer was lost           → reread by id; found is accepted, not found stays unknown (503);
- NATS is away                  → accepted all the same, a sweep carries the run later.

No error of any kind ends a lane: whoever waits for a row of the batch is told of the error.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_common.core.errors import Fault, TransientFault, UnknownFault
from visapi_common.core.failures import fault_of, sort_of, told
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.audit.rules import AuditEntry

BATCH_LIMIT = 256
WAITING_LIMIT = 8192
"""Beyond this many waiting triggers (about two seconds of work) new ones are refused at once."""
REREADS = 3
REREAD_PAUSE_S = 0.3


class NewRun(msgspec.Struct, frozen=True):
    """A checked trigger. `program` is the hash's bytes."""

    id: UUID
    tenant: str
    namespace: str
    name: str
    version: str
    program: bytes
    input: Payload
    trace: str
    started_by: str
    created_at: datetime
    key: str | None = None
    body_hash: bytes | None = None
    rerun_of: UUID | None = None
    audit: AuditEntry | None = None
    """Recorded in the transaction that inserts the run; plain starts are not."""

    def trigger(self) -> Trigger:
        """What the first transition of the run is told."""
        return Trigger(
            run=self.id,
            tenant=self.tenant,
            workflow=WorkflowRef(self.namespace, self.name, self.version),
            program=self.program.hex(),
            input=self.input,
            created_at=self.created_at,
            trace=self.trace or None,
        )


class Fresh(msgspec.Struct, frozen=True):
    """Committed now."""


class Replayed(msgspec.Struct, frozen=True):
    """The same request was committed before, as `run`."""

    run: UUID


class Conflict(msgspec.Struct, frozen=True):
    """The key was used for another request, which became `run`."""

    run: UUID


Outcome = Fresh | Replayed | Conflict


class Ledger(Protocol):
    """Where runs are committed."""

    async def accept(self, runs: Sequence[NewRun]) -> set[UUID]:
        """Insert all in one transaction; answer those inserted: the others' keys are taken."""
        ...

    async def taken_keys(self, runs: Sequence[NewRun]) -> dict[tuple[str, str], tuple[UUID, bytes]]:
        """Which run holds each (tenant, key), and the hash of its request."""
        ...

    async def present(self, runs: Sequence[NewRun]) -> set[UUID]:
        """Which of the runs are committed."""
        ...


class Announce(Protocol):
    def __call__(self, trigger: Trigger, /) -> None:
        """Publish the trigger of a committed run, best effort."""
        ...


class Meter(Protocol):
    def batch(self, rows: int, seconds: float) -> None: ...


class Accepting:
    """The lanes. `run()` lives as long as the service; `accept` is called by requests."""

    def __init__(self, ledger: Ledger, announce: Announce, meter: Meter, *, lanes: int = 2) -> None:
        self._ledger = ledger
        self._announce = announce
        self._meter = meter
        self._lanes = lanes
        self._waiting: deque[tuple[NewRun, asyncio.Future[Outcome]]] = deque()
        self._work = asyncio.Event()
        self._closed = False
        self._log = get_logger("accepting")

    async def run(self) -> None:
        """Serve until `close()`; whatever waits then is still committed."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._lanes):
                group.create_task(self._serve_lane())

    def close(self) -> None:
        self._closed = True
        self._work.set()

    async def accept(self, run: NewRun) -> Outcome:
        """Commit one run. Raises `TransientFault`, `UnknownFault` or `PermanentFault`."""
        if self._closed or len(self._waiting) >= WAITING_LIMIT:
            raise TransientFault(
                "more triggers wait than can be stored; send it again later", retry_after_s=1.0
            )
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((run, answer))
        self._work.set()
        return await answer

    async def _serve_lane(self) -> None:
        while True:
            await self._work.wait()
            if not self._waiting:
                if self._closed:
                    return
                self._work.clear()
                continue
            taken = [self._waiting.popleft() for _ in range(min(BATCH_LIMIT, len(self._waiting)))]
            await self._settle(taken)

    async def _settle(self, taken: Sequence[tuple[NewRun, "asyncio.Future[Outcome]"]]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        results = await self._commit([run for run, _ in taken])
        self._meter.batch(len(taken), loop.time() - began)
        for run, answer in taken:
            result = results[run.id]
            if isinstance(result, Fresh):
                self._tell(run)
            if answer.done():
                continue
            if isinstance(result, Fault):
                answer.set_exception(result)
            else:
                answer.set_result(result)

    def _tell(self, run: NewRun) -> None:
        try:
            self._announce(run.trigger())
        except Exception as error:  # noqa: BLE001 (the run is committed: a sweep carries it later)
            self._log.error("run_not_announced", run=str(run.id), detail=told(error))

    async def _commit(self, runs: Sequence[NewRun]) -> dict[UUID, Outcome | Fault]:
        try:
            inserted = await self._ledger.accept(runs)
        except UnknownFault as lost:
            return await self._find_out(runs, lost)
        except Exception as error:  # noqa: BLE001 (whatever rows provoke is told to those who wait for them)
            half = len(runs) // 2
            if half == 0 or sort_of(error) != "contents":
                return dict.fromkeys((run.id for run in runs), fault_of(error))
            return await self._commit(runs[:half]) | await self._commit(runs[half:])
        return await self._sort_out(runs, inserted)

    async def _sort_out(self, runs: Sequence[NewRun], inserted: set[UUID]) -> dict[UUID, Outcome | Fault]:
        results: dict[UUID, Outcome | Fault] = {run.id: Fresh() for run in runs if run.id in inserted}
        beaten = [run for run in runs if run.id not in inserted]
        if not beaten:
            return results
        try:
            taken = await self._ledger.taken_keys(beaten)
        except Exception as error:  # noqa: BLE001 (told to those whose keys could not be read)
            return results | dict.fromkeys((run.id for run in beaten), fault_of(error))
        for run in beaten:
            results[run.id] = _judge(run, taken)
        return results

    async def _find_out(self, runs: Sequence[NewRun], lost: UnknownFault) -> dict[UUID, Outcome | Fault]:
        """The commit's answer was lost: what is there was committed, the rest stays unknown."""
        for attempt in range(REREADS):
            await asyncio.sleep(REREAD_PAUSE_S * attempt)
            try:
                present = await self._ledger.present(runs)
            except Exception as error:  # noqa: BLE001 (read again; in the end the outcome stays unknown)
                self._log.warning("runs_not_reread", detail=told(error))
                continue
            if present:
                return {run.id: Fresh() if run.id in present else lost for run in runs}
        return dict.fromkeys((run.id for run in runs), lost)


def _judge(run: NewRun, taken: dict[tuple[str, str], tuple[UUID, bytes]]) -> Outcome | Fault:
    holder = taken.get((run.tenant, run.key or ""))
    if holder is None:
        # Swept between the two statements: the key is free again, the caller's retry will get it.
        return TransientFault(
            "the Idempotency-Key was released just now; send the request again", retry_after_s=0.1
        )
    original, body_hash = holder
    return Replayed(original) if body_hash == run.body_hash else Conflict(original)
