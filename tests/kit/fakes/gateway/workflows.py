"""Deployed definitions in memory. The quota of a tenant is left to PostgreSQL."""

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.gateway.tables import NOON, GatewayTables
from visapi_common.contracts.audit import AuditEntry
from visapi_engine.checks.versions import version_order
from visapi_engine.compile.compiler import Compiled, compile_definition
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.names import WorkflowName
from visapi_gateway.workflows.rules.versions import NewWorkflow, WorkflowRow
from visapi_gateway.workflows.store import PAGE_BYTES


def definition(version: str = "1.0.0", *, name: str = "flow", more: str = "") -> bytes:
    """The workflow `test/<name>`; `more` are further members of its document."""
    head = f"document: {{dsl: '1.0.3', namespace: test, name: {name}, version: '{version}'}}"
    return f"{head}\n{more}\ndo: [{{a: {{set: {{n: 1}}}}}}]".encode()


class FakeWorkflows:
    """See `workflows.service.WorkflowStore`, `workflows.definitions.DefinitionSource`. The schedule of the highest
    version stands in `tables.schedules`.
    """

    def __init__(self, tables: GatewayTables) -> None:
        self._tables = tables
        self.faults = Planned()
        self._versions: dict[WorkflowName, dict[str, WorkflowRow]] = {}

    def deploy(self, tenant: str, source: bytes) -> Compiled:
        """A version that another gateway has stored."""
        compiled = compile_definition(source, "application/yaml")
        program = compiled.program
        row = WorkflowRow(
            namespace=program.namespace,
            name=program.name,
            version=program.version,
            program=bytes.fromhex(compiled.hash),
            body=compiled.body,
            created_by="test",
            created_at=NOON,
            source_hash=bytes.fromhex(compiled.source_hash),
            source=source,
            media_type="application/yaml",
            version_order=version_order(program.version),
        )
        versions = self._versions.setdefault((tenant, program.namespace, program.name), {})
        versions.setdefault(program.version, row)
        return compiled

    async def put(self, new: NewWorkflow, audit: AuditEntry, claim: Claim | None, answer: str) -> bool:
        await self.faults.enter("put")
        versions = self._versions.setdefault(new.name, {})
        if new.version in versions:
            return False
        self._tables.hold_key(claim, answer)
        versions[new.version] = WorkflowRow(
            namespace=new.name[1],
            name=new.name[2],
            version=new.version,
            program=new.program,
            body=new.body,
            created_by=new.created_by,
            created_at=new.created_at,
            source_hash=new.source_hash,
            source=new.source,
            media_type=new.media_type,
            version_order=new.order,
        )
        if await self.highest(new.name) == new.version:
            self._tables.put_schedule(new)
        self._tables.record(audit)
        return True

    async def hold(self, claim: Claim | None, answer: str) -> None:
        self._tables.hold_key(claim, answer)

    async def version(self, name: WorkflowName, version: str) -> WorkflowRow | None:
        return self._versions.get(name, {}).get(version)

    async def program_of(self, name: WorkflowName, version: str) -> tuple[bytes, bytes] | None:
        await self.faults.enter("program_of")
        found = await self.version(name, version)
        return None if found is None or found.body is None else (found.program, found.body)

    async def highest(self, name: WorkflowName) -> str | None:
        await self.faults.enter("highest")
        return max(self._versions.get(name, {}), key=version_order, default=None)

    async def versions(self, name: WorkflowName, below: str | None, limit: int) -> Sequence[WorkflowRow]:
        rows = [
            row for row in self._versions.get(name, {}).values() if below is None or row.version_order < below
        ]
        return _page(sorted(rows, key=lambda row: row.version_order, reverse=True)[:limit])

    async def workflows(
        self, tenant: str, namespace: str | None, after: tuple[str, str] | None, limit: int
    ) -> Sequence[WorkflowRow]:
        names = sorted(
            name
            for name in self._versions
            if name[0] == tenant and namespace in (None, name[1]) and (after is None or name[1:] > after)
        )
        highest = [max(self._versions[name].values(), key=lambda row: row.version_order) for name in names]
        return _page(highest[:limit])


def _page(rows: Sequence[WorkflowRow]) -> list[WorkflowRow]:
    """The rows of a page; those whose programs have no room come without."""
    sizes = accumulate(len(row.body or b"") for row in rows)
    return [
        row if size <= PAGE_BYTES or number == 0 else msgspec.structs.replace(row, body=None)
        for number, (row, size) in enumerate(zip(rows, sizes, strict=True))
    ]
