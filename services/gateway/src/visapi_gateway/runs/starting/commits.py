"""Accepting runs: many requests share a transaction, and `202` is sent only after its commit.

- PostgreSQL refuses the contents → the group commit halves the batch until the refused run fails alone;
- surely not committed            → `TransientFault`, which becomes 503 with `Retry-After`;
- the answer was lost             → reread by id: a run that is found is accepted, others stay unknown (503);
- NATS is away                    → the run is accepted, and a sweep carries the trigger later.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_common.core.errors import Fault, TransientFault, UnknownFault
from visapi_common.core.failures import failure_text, fault_of
from visapi_common.runtime.group_commit import GroupCommit
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger

REREADS = 3
REREAD_PAUSE_S = 0.3


class NewRun(msgspec.Struct, frozen=True):
    """A run to commit. `program` is the hash in bytes."""

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
    former_hash: bytes | None = None
    """The hash of the same request as the release before this one stored it, where that differs."""
    rerun_of: UUID | None = None
    test: bool = False
    audit: AuditEntry | None = None
    """Written in the transaction that inserts the run; plain starts are not audited."""

    def trigger(self) -> Trigger:
        """The trigger of the run's first transition."""
        return Trigger(
            run=self.id,
            tenant=self.tenant,
            workflow=WorkflowRef(self.namespace, self.name, self.version),
            program=self.program.hex(),
            input=self.input,
            created_at=self.created_at,
            trace=self.trace or None,
            test=self.test,
        )


class Accepted(msgspec.Struct, frozen=True):
    """Committed now."""


class Replayed(msgspec.Struct, frozen=True):
    """The same request was committed earlier as `run`."""

    run: UUID


class Conflict(msgspec.Struct, frozen=True):
    """The key was used for another request, which became `run` where it started one."""

    run: UUID | None


RequestKey = tuple[str, str]
"""A tenant and the `Idempotency-Key` of one of its requests."""


class Holder(msgspec.Struct, frozen=True):
    """The request that holds a key. `run` is the nil id where it started no run."""

    run: UUID
    body_hash: bytes

    def judge(self, *hashes: bytes | None) -> "Replayed | Conflict":
        """The outcome of another request with the key, which has one of the hashes."""
        if self.body_hash in hashes:
            return Replayed(self.run)
        return Conflict(self.run if self.run.int else None)


Outcome = Accepted | Replayed | Conflict
ACCEPTED = Accepted()


class Ledger(Protocol):
    """Where runs are committed."""

    async def accept(self, runs: Sequence[NewRun]) -> set[UUID]:
        """Insert all runs in one transaction. Returns the inserted ones; the keys of the others are taken."""
        ...

    async def taken_keys(self, keys: Sequence[RequestKey]) -> dict[RequestKey, Holder]:
        """The requests that hold the keys."""
        ...

    async def present(self, runs: Sequence[NewRun]) -> set[UUID]:
        """The runs that are committed."""
        ...


class Announce(Protocol):
    def __call__(self, trigger: Trigger, /) -> None:
        """Publish the trigger of a committed run, best effort."""
        ...


class RunCommits:
    """Commits runs. `run` lives as long as the service; requests call `accept`."""

    def __init__(self, ledger: Ledger, announce: Announce, metrics: Metrics, *, lanes: int = 2) -> None:
        self._ledger = ledger
        self._announce = announce
        self._metrics = metrics
        self._commits = GroupCommit[UUID, NewRun, Outcome](self._commit, lanes=lanes)
        self._log = get_logger("accepting")

    async def run(self) -> None:
        """Serve until `close`; runs that wait then are still committed."""
        await self._commits.run()

    def close(self) -> None:
        self._commits.close()

    def accept(self, run: NewRun) -> Awaitable[Outcome]:
        """Commit one run. Raises `TransientFault`, `UnknownFault` or `PermanentFault`."""
        return self._commits.submit(run.id, run)

    async def _commit(self, batch: Mapping[UUID, NewRun]) -> dict[UUID, Outcome | Fault]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcomes = await self._insert(batch)
        self._metrics.accept_batch_rows.observe(len(batch))
        self._metrics.accept_commit_seconds.observe(loop.time() - began)
        for run, outcome in outcomes.items():
            if outcome is ACCEPTED:
                self._announce_run(batch[run])
        return outcomes

    def _announce_run(self, run: NewRun) -> None:
        try:
            self._announce(run.trigger())
        except Exception as error:  # noqa: BLE001 (the run is committed: a sweep carries it later)
            self._log.error("run_not_announced", run=str(run.id), detail=failure_text(error))

    async def _insert(self, batch: Mapping[UUID, NewRun]) -> dict[UUID, Outcome | Fault]:
        try:
            inserted = await self._ledger.accept(list(batch.values()))
        except UnknownFault as lost:
            return await self._find_out(batch, lost)
        outcomes: dict[UUID, Outcome | Fault] = dict.fromkeys(inserted, ACCEPTED)
        if len(inserted) < len(batch):
            outcomes |= await self._replays([run for run in batch.values() if run.id not in inserted])
        return outcomes

    async def _replays(self, refused: Sequence[NewRun]) -> dict[UUID, Outcome | Fault]:
        """The outcomes of runs whose `Idempotency-Key` was taken."""
        try:
            taken = await self._ledger.taken_keys([(run.tenant, run.key or "") for run in refused])
        except Exception as error:  # noqa: BLE001 (the callers whose keys could not be read get the failure)
            return dict.fromkeys((run.id for run in refused), fault_of(error))
        return {run.id: _judge(run, taken) for run in refused}

    async def _find_out(
        self, batch: Mapping[UUID, NewRun], lost: UnknownFault
    ) -> dict[UUID, Outcome | Fault]:
        """The answer of the commit was lost: runs that are found were committed, the others stay unknown."""
        for attempt in range(REREADS):
            await asyncio.sleep(REREAD_PAUSE_S * attempt)
            try:
                present = await self._ledger.present(list(batch.values()))
            except Exception as error:  # noqa: BLE001 (read again; in the end the outcome stays unknown)
                self._log.warning("runs_not_reread", detail=failure_text(error))
                continue
            if present:
                return {run: ACCEPTED if run in present else lost for run in batch}
        return dict.fromkeys(batch, lost)


def _judge(run: NewRun, taken: Mapping[RequestKey, Holder]) -> Outcome | Fault:
    holder = taken.get((run.tenant, run.key or ""))
    if holder is None:
        # The key was swept between the two statements, so the caller's retry can take it.
        return TransientFault(
            "the Idempotency-Key was released just now; send the request again", retry_after_s=0.1
        )
    return holder.judge(run.body_hash, run.former_hash)
