"""Slices: each is a topic of the API in one folder, with one interface to the rest of the gateway."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from secrets import token_bytes
from types import ModuleType
from typing import Any, TypeVar, cast

from visapi_common.adapters.artifacts import PayloadStore
from visapi_common.adapters.clock import RandomIds, SystemClock
from visapi_common.adapters.pool import Pool
from visapi_common.runtime.bounded_processes import Job
from visapi_common.runtime.service import Lifecycle
from visapi_gateway.kernel.api.lists import Cursors
from visapi_gateway.kernel.api.operation import Operation, Route
from visapi_gateway.kernel.bounded_jobs import BoundedJobs
from visapi_gateway.kernel.full_tenants import FullTenants
from visapi_gateway.kernel.idempotency.store import UsedKeys
from visapi_gateway.kernel.messages import Messages
from visapi_gateway.kernel.quotas import Quotas, read_full_tenants
from visapi_gateway.kernel.sealing import SealingKeys
from visapi_gateway.settings import GatewaySettings

_Part = TypeVar("_Part")
Upkeep = tuple[str, Callable[[], Awaitable[None]]]
"""Background work that runs until cancelled, with its name in logs and metrics."""


class Kernel:
    """The parts that slices are built from. One per process."""

    def __init__(
        self,
        settings: GatewaySettings,
        lifecycle: Lifecycle,
        *,
        pool: Pool,
        messages: Messages,
        jobs: BoundedJobs,
        operations: Sequence[Operation],
    ) -> None:
        self.settings = settings
        self.metrics = lifecycle.metrics
        self.spans = lifecycle.spans
        self.report_check = lifecycle.ready
        self.pool = pool
        self.messages = messages
        self.jobs = jobs
        self.operations = operations
        """The operations of all slices, in the order of the documentation."""
        self.clock = SystemClock()
        self.ids = RandomIds()
        self.quotas = Quotas.of(settings)
        self.full_tenants = FullTenants(partial(read_full_tenants, pool))
        self.used_keys = UsedKeys(pool)
        self.cursors = Cursors(settings.link_secret, self.clock)
        self.payloads = PayloadStore.open(settings.artifacts_url, settings.s3)
        self._parts: dict[Callable[[Kernel], Any], Any] = {}

    def sealing_keys(self, sealed: str) -> SealingKeys:
        """The keys of the installation for values that a slice seals, named in the plural."""
        return SealingKeys(self.settings.sealing_key, sealed, random=token_bytes, clock=self.clock)

    def one(self, build: Callable[["Kernel"], _Part]) -> _Part:
        """The part that `build` makes, one per process; slices share a part by sharing its builder."""
        if build not in self._parts:
            self._parts[build] = build(self)
        return self._parts[build]


def _no_upkeep(_: Kernel) -> Sequence[Upkeep]:
    return ()


@dataclass(frozen=True, slots=True)
class Slice:
    """The declarations of a slice."""

    route_modules: Sequence[ModuleType]
    """The modules that declare its operations."""
    routes: Callable[[Kernel], Sequence[Route]]
    """Builds the handlers of the operations."""
    upkeep: Callable[[Kernel], Sequence[Upkeep]] = _no_upkeep
    jobs: Sequence[Job] = ()
    """The jobs that run in bounded processes."""

    def operations(self) -> list[Operation]:
        """The operations of the slice's modules, in the order of their declarations."""
        values = [value for door in self.route_modules for value in vars(door).values()]
        found = [value for value in values if isinstance(value, Operation)]
        tables = cast("list[dict[Any, Any]]", [value for value in values if isinstance(value, dict)])
        found += [item for table in tables for item in table.values() if isinstance(item, Operation)]
        return found
