"""Deploy and read definitions. A deployed version never changes."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import NULL
from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.workflows import Deployed, WorkflowPage, WorkflowView
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_engine.checks.versions import version_order
from visapi_engine.model.listeners import listener_of
from visapi_engine.model.program import Program, encode_program
from visapi_engine.model.program_face import decode_face
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Principal, Requester
from visapi_gateway.kernel.idempotency.rules import Claim, answer_text, read_answer
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.workflows.compiling import Compiling
from visapi_gateway.workflows.definitions import Definitions, not_found

WARNINGS_HELD = 100
"""The most warnings that a replay of a deployment shows."""


class Scheduled(msgspec.Struct, frozen=True):
    """The schedule of a version: its times, or the run that listens for its events.

    `id` is the id of the schedule or of the listener's run.
    """

    id: UUID
    spec: bytes | None = None
    paused: bool = False
    listener: Trigger | None = None
    listener_body: bytes = b""


class NewWorkflow(msgspec.Struct, frozen=True):
    """A version to store. Hashes in bytes."""

    name: WorkflowName
    version: str
    order: str
    source_hash: bytes
    source: bytes
    media_type: str
    program: bytes
    body: bytes
    created_by: str
    created_at: datetime
    schedule: Scheduled | None = None
    """The schedule or listener, if any."""
    parts: Sequence[bytes] = ()
    """Further programs that the version's program names by hash."""


class WorkflowRow(msgspec.Struct, frozen=True):
    """A stored version. `body` is the compiled program; None where the page had no room for it."""

    namespace: str
    name: str
    version: str
    program: bytes
    body: bytes | None
    created_by: str
    created_at: datetime
    source_hash: bytes = b""
    source: bytes = b""
    media_type: str = ""
    version_order: str = ""


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
        return _deployed(_view(kept or _row(new)), warnings, dry_run=dry_run), created

    async def deployed_before(self, tenant: str, answer: str) -> tuple[Deployed, bool]:
        """The description of the version that an earlier request deployed, and whether it was new then."""
        held = read_answer(answer, Deployment)
        view = await self.describe(tenant, held.namespace, held.name, held.version)
        return _deployed(view, held.warnings, dry_run=False), held.created

    async def describe(self, tenant: str, namespace: str, name: str, version: str | None) -> WorkflowView:
        return _view(await self.row(tenant, namespace, name, version))

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
        shown = _shown(rows, limit)
        more = shown[-1].version_order if len(rows) > len(shown) else None
        return WorkflowPage(items=[_view(row) for row in shown], next=more)

    async def page(
        self, tenant: str, namespace: str | None, after: tuple[str, str] | None, limit: int
    ) -> WorkflowPage:
        """By name, each as its highest version. `next` is the name to continue from."""
        rows = await self._store.workflows(tenant, namespace, after, limit + 1)
        shown = _shown(rows, limit)
        more = f"{shown[-1].namespace}/{shown[-1].name}" if len(rows) > len(shown) else None
        return WorkflowPage(items=[_view(row) for row in shown], next=more)

    async def _prepare(
        self, who: Principal, source: bytes, media_type: str
    ) -> tuple[NewWorkflow, list[FieldError]]:
        compiled = await self._compile(who.tenant, source, media_type)
        program = compiled.program
        new = NewWorkflow(
            name=(who.tenant, program.namespace, program.name),
            version=program.version,
            order=_order(program.version),
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


def _deployed(view: WorkflowView, warnings: list[FieldError], *, dry_run: bool) -> Deployed:
    return Deployed(**msgspec.structs.asdict(view), warnings=warnings, dry_run=dry_run)


def _held(new: NewWorkflow, warnings: list[FieldError], *, created: bool) -> str:
    _, namespace, name = new.name
    held = Deployment(namespace, name, new.version, created, warnings[:WARNINGS_HELD])
    return answer_text(held)


def _audited(who: Requester, new: NewWorkflow) -> AuditEntry:
    target = f"workflow:{new.name[1]}/{new.name[2]}"
    return entry(who, AuditAction.WORKFLOW_DEPLOY, target, version=new.version, program=new.program.hex())


def _order(version: str) -> str:
    try:
        return version_order(version)
    except ValueError as wrong:
        mistake = FieldError("/document/version", str(wrong))
        raise ProblemError("definition_invalid", str(wrong), status=422, errors=[mistake]) from None


def _row(new: NewWorkflow) -> WorkflowRow:
    _, namespace, name = new.name
    return WorkflowRow(
        namespace=namespace,
        name=name,
        version=new.version,
        program=new.program,
        body=new.body,
        created_by=new.created_by,
        created_at=new.created_at,
    )


def _shown(rows: Sequence[WorkflowRow], limit: int) -> list[WorkflowRow]:
    """The rows of a page: at most `limit`, and as many programs as fit."""
    return list(takewhile(lambda row: row.body is not None, rows[:limit]))


def _view(row: WorkflowRow) -> WorkflowView:
    assert row.body is not None, "a row without its program is not shown"
    program = decode_face(row.body)
    here = f"/v1/workflows/{row.namespace}/{row.name}"
    schema = program.input_schema
    return WorkflowView(
        namespace=row.namespace,
        name=row.name,
        version=row.version,
        title=_text(program.document.get("title")),
        summary=_text(program.document.get("summary")),
        input_schema=None if schema is None else schema.schema,
        program=row.program.hex(),
        created_at=row.created_at,
        created_by=row.created_by,
        links={
            "self": f"{here}/versions/{row.version}",
            "versions": f"{here}/versions",
            "runs": f"{here}/runs?version={row.version}",
        },
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
