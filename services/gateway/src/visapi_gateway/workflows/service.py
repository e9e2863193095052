"""Deploy and read definitions. A deployed version never changes."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.workflows import Deployed, WorkflowPage, WorkflowView
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_engine.model.listeners import listener_of
from visapi_engine.model.program import Program, encode_program
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Principal, Requester
from visapi_gateway.kernel.idempotency.rules import Claim, answer_text, read_answer
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.workflows.compiling import Compiling
from visapi_gateway.workflows.definitions import Definitions, not_found
from visapi_gateway.workflows.rules.versions import NewWorkflow, Scheduled, WorkflowRow, row_of, sorting_key
from visapi_gateway.workflows.rules.views import deployed_of, page_of, view_of

WARNINGS_HELD = 100
"""The most warnings that a replay of a deployment shows."""


class WorkflowStore(Protocol):
    async def put(self, new: NewWorkflow, audit: AuditEntry, claim: Claim | None, answer: str) -> bool:
        """Store the version; returns whether it is new. Then the request's `Idempotency-Key` is held with
        `answer`.
        """
        ...

    async def hold(self, claim: Claim | None, answer: str) -> None:
        """Hold the `Idempotency-Key` of a request that changed nothing. Raises `KeyTaken`."""
        ...

    async def version(self, name: WorkflowName, version: str) -> WorkflowRow | None: ...
    async def highest(self, name: WorkflowName) -> str | None: ...
    async def versions(self, name: WorkflowName, below: str | None, limit: int) -> Sequence[WorkflowRow]: ...
    async def workflows(
        self, tenant: str, namespace: str | None, after: tuple[str, str] | None, limit: int
    ) -> Sequence[WorkflowRow]: ...


class Deployment(msgspec.Struct, frozen=True, array_like=True):
    """The answer that is held with an `Idempotency-Key`: the version, and the first response."""

    namespace: str
    name: str
    version: str
    created: bool
    warnings: list[FieldError]


class Workflows:
    """Deploys and describes the workflows of a tenant."""

    def __init__(
        self,
        store: WorkflowStore,
        definitions: Definitions,
        compile_: Compiling,
        *,
        clock: WallClock,
        ids: Ids,
        announce: Callable[[Trigger], None],
    ) -> None:
        self._ids = ids
        self._announce = announce
        self._store = store
        self._definitions = definitions
        self._compile = compile_
        self._clock = clock

    async def deploy(
        self, who: Requester, source: bytes, media_type: str, *, dry_run: bool, claim: Claim | None = None
    ) -> tuple[Deployed, bool]:
        """The description, and whether the version is new. Raises `ProblemError` 409 and 422."""
        new, warnings = await self._prepare(who, source, media_type)
        created = False
        if not dry_run:
            created = await self._store.put(
                new, _audited(who, new), claim, _held(new, warnings, created=True)
            )
            self._definitions.forget_highest(new.name)
            if created and new.schedule is not None and new.schedule.listener is not None:
                self._announce(new.schedule.listener)
        kept = None if created else await self._refuse_other_content(new)
        if not created and not dry_run:
            await self._store.hold(claim, _held(new, warnings, created=False))
        return deployed_of(view_of(kept or row_of(new)), warnings, dry_run=dry_run), created

    async def deployed_before(self, tenant: str, answer: str) -> tuple[Deployed, bool]:
        """The description of the version that an earlier request deployed, and whether it was new then."""
        held = read_answer(answer, Deployment)
        view = await self.describe(tenant, held.namespace, held.name, held.version)
        return deployed_of(view, held.warnings, dry_run=False), held.created

    async def describe(self, tenant: str, namespace: str, name: str, version: str | None) -> WorkflowView:
        return view_of(await self.row(tenant, namespace, name, version))

    async def row(self, tenant: str, namespace: str, name: str, version: str | None) -> WorkflowRow:
        """A version, or the highest. Raises `ProblemError` 404."""
        which: WorkflowName = (tenant, namespace, name)
        chosen = version or await self._store.highest(which)
        row = None if chosen is None else await self._store.version(which, chosen)
        if row is None:
            raise not_found(which, version)
        return row

    async def versions(self, name: WorkflowName, below: str | None, limit: int) -> WorkflowPage:
        """Highest version first. `next` is the order key to continue from. Raises `ProblemError` 404."""
        rows = await self._store.versions(name, below, limit + 1)
        if not rows and below is None:
            raise not_found(name, None)
        shown = page_of(rows, limit)
        more = shown[-1].version_order if len(rows) > len(shown) else None
        return WorkflowPage(items=[view_of(row) for row in shown], next=more)

    async def page(
        self, tenant: str, namespace: str | None, after: tuple[str, str] | None, limit: int
    ) -> WorkflowPage:
        """By name, each as its highest version. `next` is the name to continue from."""
        rows = await self._store.workflows(tenant, namespace, after, limit + 1)
        shown = page_of(rows, limit)
        more = f"{shown[-1].namespace}/{shown[-1].name}" if len(rows) > len(shown) else None
        return WorkflowPage(items=[view_of(row) for row in shown], next=more)

    async def _prepare(
        self, who: Principal, source: bytes, media_type: str
    ) -> tuple[NewWorkflow, list[FieldError]]:
        compiled = await self._compile(who.tenant, source, media_type)
        program = compiled.program
        new = NewWorkflow(
            name=(who.tenant, program.namespace, program.name),
            version=program.version,
            order=sorting_key(program.version),
            source_hash=bytes.fromhex(compiled.source_hash),
            source=source,
            media_type=media_type,
            program=bytes.fromhex(compiled.hash),
            body=compiled.body,
            created_by=who.actor,
            created_at=self._clock.now(),
            schedule=self._scheduled(who, program),
            parts=compiled.parts,
        )
        return new, list(compiled.warnings)

    def _scheduled(self, who: Principal, program: Program) -> Scheduled | None:
        identity = self._ids.uuid7()
        if program.schedule is not None:
            spec = msgspec.json.encode(program.schedule)
            return Scheduled(identity, spec=spec, paused=program.schedule.paused)
        if program.schedule_on is None:
            return None
        body = encode_program(listener_of(program, program.schedule_on))
        run = Trigger(
            run=identity,
            tenant=who.tenant,
            workflow=WorkflowRef(program.namespace, program.name, program.version),
            program=hashlib.sha256(body).hexdigest(),
            input=NULL,
            created_at=self._clock.now(),
        )
        return Scheduled(identity, listener=run, listener_body=body)

    async def _refuse_other_content(self, new: NewWorkflow) -> WorkflowRow | None:
        kept = await self._store.version(new.name, new.version)
        if kept is None or kept.program == new.program or kept.source_hash == new.source_hash:
            return kept
        detail = (
            f"{new.name[1]}/{new.name[2]} {new.version} is deployed with other content, and a deployed "
            "version never changes; raise document.version"
        )
        raise ProblemError("workflow_version_exists", detail, status=409)


def _held(new: NewWorkflow, warnings: list[FieldError], *, created: bool) -> str:
    _, namespace, name = new.name
    held = Deployment(namespace, name, new.version, created, warnings[:WARNINGS_HELD])
    return answer_text(held)


def _audited(who: Requester, new: NewWorkflow) -> AuditEntry:
    target = f"workflow:{new.name[1]}/{new.name[2]}"
    return entry(who, AuditAction.WORKFLOW_DEPLOY, target, version=new.version, program=new.program.hex())
