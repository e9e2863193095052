"""Announced functions in memory, and a database that answers until a test plans otherwise."""

from collections.abc import Sequence

from kit.fakes.faults import Planned
from visapi_common.contracts.subjects import BUILTIN
from visapi_common.contracts.task_messages import FunctionSpec


class FakeSystem:
    """See `system.service.SystemStore`."""

    def __init__(self) -> None:
        self.faults = Planned()
        self._announced: dict[tuple[str, str], FunctionSpec] = {}

    def announce(self, owner: str, *functions: FunctionSpec) -> None:
        for function in functions:
            self._announced.pop((owner, function.name), None)
            self._announced[owner, function.name] = function

    async def functions(self, tenant: str) -> Sequence[FunctionSpec]:
        found = {name: spec for (owner, name), spec in self._announced.items() if owner in (tenant, BUILTIN)}
        return [found[name] for name in sorted(found)]

    async def ping(self) -> None:
        await self.faults.enter("ping")
