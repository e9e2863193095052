"""Readiness follows PostgreSQL, and functions are listed."""

import asyncio

from kit.fakes.clocks import in_no_time
from kit.fakes.gateway.system import FakeSystem
from kit.fakes.gateway.tables import TENANT
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.errors import TransientFault
from visapi_gateway.system.service import CHECK_S, System


class TestReadiness:
    def setup_method(self) -> None:
        self.store, self.reports = FakeSystem(), list[tuple[str, bool]]()
        report = lambda check, ok: self.reports.append((check, ok))  # noqa: E731
        self.system = System(self.store, lambda: False, report, version="1", body_limit=1)

    @in_no_time
    async def test_a_gateway_is_ready_while_postgres_answers_even_without_nats(self):
        assert not self.system.readiness()[0]
        checking = asyncio.create_task(self.system.keep_checking())
        await asyncio.sleep(0)
        assert self.system.readiness()[0]
        self.store.faults.plan("ping", TransientFault("away"))
        await asyncio.sleep(CHECK_S)
        assert self.system.readiness() == (
            False,
            {
                "postgres": "unavailable",
                "nats": "unavailable, runs wait in PostgreSQL",
                "draining": "no",
            },
        )
        await asyncio.sleep(CHECK_S)
        assert self.system.readiness()[0]
        assert self.reports == [("postgres", True), ("postgres", False), ("postgres", True)]
        self.system.drain()
        assert not self.system.readiness()[0]
        checking.cancel()

    async def test_functions_of_workers_stand_beside_those_of_the_engine(self):
        self.store.announce(TENANT, FunctionSpec("acme.a"))
        names = [spec.name for spec in await self.system.functions(TENANT)]
        assert "acme.a" in names
        assert names == sorted(names)
        assert len(names) > 1
