"""Start a run: find the definition, check the input, commit the run."""

import hashlib
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import INLINE_LIMIT, Payload, inline
from visapi_common.contracts.runs import RunStatus, RunView
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Principal, Requester
from visapi_gateway.kernel.idempotency.rules import key_reused
from visapi_gateway.runs.reading.service import links_of
from visapi_gateway.runs.starting.commits import (
    Accepted,
    Conflict,
    Holder,
    NewRun,
    Outcome,
    Replayed,
    RequestKey,
)
from visapi_gateway.workflows.definitions import Definitions, not_found
from visapi_gateway.workflows.input_checks import InputChecks

NULL = b"null"


class Start(msgspec.Struct, frozen=True):
    """A request to start a run. `body` is the raw input; empty means `null`."""

    namespace: str
    name: str
    version: str | None
    body: bytes
    key: str | None
    trace: str
    rerun: "Repeated | None" = None
    """The run that is repeated, if any."""


class Repeated(msgspec.Struct, frozen=True):
    """The rerun: the original run, the requester and the reason. `bulk` names the bulk command it belongs
    to.
    """

    run: UUID
    by: Requester
    reason: str | None
    bulk: str | None = None
    test: bool = False
    """The original is a test run, and so is what repeats it."""


class Started(msgspec.Struct, frozen=True):
    """The committed run. `replayed`: an earlier request committed the run, and the caller has to read it."""

    id: UUID
    view: RunView | None
    replayed: bool


class Accept(Protocol):
    async def __call__(self, run: NewRun) -> Outcome:
        """Raises `ProblemError` 429 where the tenant is full."""
        ...

    async def holder(self, key: RequestKey) -> Holder | None:
        """The request that holds a key."""
        ...


class Pack(Protocol):
    async def __call__(self, tenant: str, raw: bytes) -> Payload: ...


class StartRun:
    """The use case; one object per process."""

    def __init__(
        self,
        definitions: Definitions,
        checks: InputChecks,
        *,
        accept: Accept,
        pack: Pack,
        clock: WallClock,
        ids: Ids,
    ) -> None:
        self._definitions = definitions
        self._checks = checks
        self._accept = accept
        self._pack = pack
        self._clock = clock
        self._ids = ids

    async def __call__(self, who: Principal, start: Start) -> Started:
        """Commit the run. Raises `ProblemError` for the caller's mistakes, and the ledger's faults."""
        if not who.sees(start.namespace, start.name):
            raise not_found((who.tenant, start.namespace, start.name), start.version)
        raw = start.body or NULL
        try:
            new = await self._new_run(who, start, raw)
        except ProblemError:
            # A later deployment may refuse a request that was carried out before.
            earlier = await self._earlier(who.tenant, start)
            if earlier is None:
                raise
            return _started(earlier)
        outcome = await self._accept(new)
        if isinstance(outcome, Accepted):
            return Started(new.id, _pending(new, raw), replayed=False)
        return _started(outcome)

    async def _new_run(self, who: Principal, start: Start, raw: bytes) -> NewRun:
        name = (who.tenant, start.namespace, start.name)
        definition = await self._definitions.find(name, start.version)
        await self._checks.input(who.tenant, definition, start.body)
        new = NewRun(
            id=self._ids.uuid7(),
            tenant=who.tenant,
            namespace=definition.namespace,
            name=definition.name,
            version=definition.version,
            program=definition.program,
            input=await self._payload(who.tenant, raw),
            trace=start.trace,
            started_by=who.actor,
            created_at=self._clock.now(),
            key=start.key,
            body_hash=None if start.key is None else _hash(start),
            former_hash=None if start.key is None else _former_hash(start),
            rerun_of=None if start.rerun is None else start.rerun.run,
            test=who.is_test or (start.rerun is not None and start.rerun.test),
        )
        if start.rerun is None:
            return new
        return msgspec.structs.replace(new, audit=_audited(start.rerun, new.id))

    async def _earlier(self, tenant: str, start: Start) -> Replayed | Conflict | None:
        """The outcome of an earlier request with the same key."""
        if start.key is None:
            return None
        holder = await self._accept.holder((tenant, start.key))
        return None if holder is None else holder.judge(_hash(start), _former_hash(start))

    async def _payload(self, tenant: str, raw: bytes) -> Payload:
        if len(raw) <= INLINE_LIMIT:
            return inline(raw.strip())
        return await self._pack(tenant, raw)


def _started(earlier: Replayed | Conflict) -> Started:
    """Raises `ProblemError` 422 where the key was used for another request."""
    if isinstance(earlier, Conflict):
        what = "another request" if earlier.run is None else f"run {earlier.run} with another request"
        raise key_reused(what)
    return Started(earlier.run, None, replayed=True)


def _audited(rerun: Repeated, made: UUID) -> AuditEntry:
    target, new = f"run:{rerun.run}", str(made)
    return entry(rerun.by, AuditAction.RUN_RERUN, target, reason=rerun.reason, run=new, bulk=rerun.bulk)


def _hash(start: Start) -> bytes:
    """The hash of the request as it was sent, which does not change with later deployments."""
    if start.rerun is not None and start.rerun.bulk is None:
        return _hashed(start, f"rerun {start.rerun.run} ")
    return _hashed(start)


def _former_hash(start: Start) -> bytes | None:
    """The hash of a rerun as the release before this one stored it, whose keys are held for 7 days."""
    return None if start.rerun is None or start.rerun.bulk is not None else _hashed(start)


def _hashed(start: Start, kind: str = "") -> bytes:
    asked = f"{kind}{start.namespace}/{start.name}?version={start.version or ''}\n"
    return hashlib.sha256(asked.encode() + start.body).digest()


def _pending(run: NewRun, raw: bytes) -> RunView:
    return RunView(
        id=run.id,
        workflow=WorkflowRef(run.namespace, run.name, run.version),
        status=RunStatus.PENDING,
        input=msgspec.Raw(raw),
        output=msgspec.Raw(NULL),
        error=None,
        created_at=run.created_at,
        started_at=None,
        ended_at=None,
        links=links_of(run.id),
        test=run.test,
    )
