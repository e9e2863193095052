"""Deployed definitions in memory."""

from kit.fakes.faults import Planned
from visapi_engine.checks.versions import version_order
from visapi_engine.compile.compiler import Compiled, compile_definition
from visapi_gateway.kernel.names import WorkflowName


def definition(version: str = "1.0.0", *, more: str = "") -> bytes:
    """The workflow `test/flow`; `more` are further members of its document."""
    head = f"document: {{dsl: '1.0.3', namespace: test, name: flow, version: '{version}'}}"
    return f"{head}\n{more}\ndo: [{{a: {{set: {{n: 1}}}}}}]".encode()


class FakeDefinitions:
    """See `workflows.definitions.DefinitionSource`."""

    def __init__(self) -> None:
        self.faults = Planned()
        self._versions: dict[WorkflowName, dict[str, Compiled]] = {}

    def deploy(self, tenant: str, source: bytes) -> Compiled:
        compiled = compile_definition(source, "application/yaml")
        program = compiled.program
        versions = self._versions.setdefault((tenant, program.namespace, program.name), {})
        return versions.setdefault(program.version, compiled)

    async def program_of(self, name: WorkflowName, version: str) -> tuple[bytes, bytes] | None:
        await self.faults.enter("program_of")
        found = self._versions.get(name, {}).get(version)
        return None if found is None else (bytes.fromhex(found.hash), found.body)

    async def highest(self, name: WorkflowName) -> str | None:
        await self.faults.enter("highest")
        return max(self._versions.get(name, {}), key=version_order, default=None)
