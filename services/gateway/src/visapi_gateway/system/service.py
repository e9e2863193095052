"""The installation: health, capabilities and functions."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from visapi_common.contracts.gateway_bodies import Capabilities
from visapi_common.contracts.payloads import INLINE_LIMIT
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.errors import Fault
from visapi_engine.compile.authentication import SCHEMES
from visapi_engine.compile.document import DSL_VERSIONS
from visapi_engine.compile.functions import CATALOG
from visapi_engine.compile.refusals import REFUSED
from visapi_engine.compile.registry import CONSTRUCTS
from visapi_engine.compile.schedule import KINDS
from visapi_engine.model.catalog import ENGINE_FUNCTIONS

CHECK_S = 1.0
CALLS = ("http", "openapi")
"""Kinds of `call` beside functions."""


class SystemStore(Protocol):
    async def functions(self, tenant: str) -> Sequence[FunctionSpec]: ...
    async def ping(self) -> None:
        """Raises a `Fault` when PostgreSQL does not answer."""
        ...


class Report(Protocol):
    def __call__(self, check: str, ok: bool) -> None: ...


class System:
    """Readiness is checked in the background, so that probes are cheap."""

    def __init__(
        self,
        store: SystemStore,
        nats_connected: Callable[[], bool],
        report: Report,
        *,
        version: str,
        body_limit: int,
    ) -> None:
        self._store = store
        self._nats_connected = nats_connected
        self._report = report
        self._version = version
        self._body_limit = body_limit
        self._postgres = False
        self._draining = False

    async def keep_checking(self) -> None:
        """Until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_S)

    async def check(self) -> None:
        try:
            await self._store.ping()
            self._postgres = True
        except Fault:
            self._postgres = False
        self._report("postgres", self._postgres)

    def drain(self) -> None:
        """Become unready, so that no new requests arrive."""
        self._draining = True

    @property
    def draining(self) -> bool:
        return self._draining

    def readiness(self) -> tuple[bool, dict[str, str]]:
        """NATS is reported but not required: runs are accepted without it."""
        checks = {
            "postgres": "ok" if self._postgres else "unavailable",
            "nats": "ok" if self._nats_connected() else "unavailable, runs wait in PostgreSQL",
            "draining": "yes" if self._draining else "no",
        }
        return self._postgres and not self._draining, checks

    def capabilities(self) -> Capabilities:
        return Capabilities(
            version=self._version,
            dsl=DSL_VERSIONS[-1],
            dsl_versions=list(DSL_VERSIONS),
            tasks=sorted(CONSTRUCTS),
            calls=[*CALLS, *CATALOG],
            schedules=list(KINDS),
            authentications=list(SCHEMES),
            refused=dict(REFUSED),
            features={"wait": True, "server_sent_events": True, "idempotency": True, "dry_run": True},
            limits={
                "body_bytes": self._body_limit,
                "body_depth": 64,
                "inline_bytes": INLINE_LIMIT,
                "wait_s": 60,
                "page_items": 200,
                "idempotency_days": 7,
            },
        )

    async def functions(self, tenant: str) -> Sequence[FunctionSpec]:
        """Functions that workers announced (built-in workers included), and those of the engine."""
        announced = await self._store.functions(tenant)
        return sorted([*announced, *ENGINE_FUNCTIONS.values()], key=lambda spec: (spec.name, spec.version))
