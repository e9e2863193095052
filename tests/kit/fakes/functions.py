"""Functions, tenants and the incarnations of streams in memory."""

from collections.abc import Sequence

import msgspec

from kit.fakes.faults import Planned
from kit.fakes.rows import FakeRows
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_orchestrator.transitions.rules.open_tasks import Announced


class FakeFunctions:
    """See `tasks.registry.FunctionRows`."""

    def __init__(self, rows: FakeRows, tenants: Sequence[str] = ("default",)) -> None:
        self._rows = rows
        self.faults = Planned()
        self.tenants = set(tenants)
        self._specs: dict[tuple[str, str, str], bytes] = {}
        self._incarnations: dict[str, str] = {}

    async def register(self, owner: str, functions: Sequence[FunctionSpec]) -> None:
        self.faults.meet("register")
        for function in functions:
            # The newest announcement comes last.
            self._specs.pop((owner, function.name, function.version), None)
            self._specs[owner, function.name, function.version] = msgspec.json.encode(function)

    async def functions(self) -> list[Announced]:
        self.faults.meet("functions")
        newest = {
            (owner, name): Announced(owner, name, version, spec)
            for (owner, name, version), spec in self._specs.items()
        }
        return [newest[key] for key in sorted(newest)]

    async def names(self, owner: str) -> set[str]:
        return {name for holder, name, _ in self._specs if holder == owner}

    async def is_tenant(self, name: str) -> bool:
        return name in self.tenants

    async def see_stream(self, name: str, incarnation: str) -> str | None:
        before = self._incarnations.get(name)
        self._incarnations[name] = incarnation
        return before

    async def expose_tasks(self) -> None:
        now_ms = self._rows.now_ms
        for row in self._rows.tasks.values():
            silent = row.heartbeat_ms is None or row.heartbeat_ms < now_ms - 10_000
            if row.state in ("queued", "started") and row.sent_ms is not None and silent:
                row.sweep_ms, row.sweeps = now_ms, 0

    def put_raw(self, owner: str, name: str, spec: bytes) -> None:
        """A row that an earlier release, or somebody else, has left behind."""
        self._specs[owner, name, "1"] = spec
