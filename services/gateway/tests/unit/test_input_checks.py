"""Inputs are checked in the event loop where that is cheap, else in a job."""

import pytest

from kit.fakes.clocks import FakeClock
from kit.fakes.gateway.jobs import InlineJobs
from kit.fakes.gateway.tables import TENANT, GatewayTables
from kit.fakes.gateway.workflows import FakeWorkflows, definition
from visapi_common.core.bounds import BoundExceeded
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.json_input import check_json
from visapi_gateway.workflows.definitions import Definitions
from visapi_gateway.workflows.input_checks import InputChecks


class TestInputs:
    def setup_method(self) -> None:
        self.jobs, self.source = InlineJobs(), FakeWorkflows(GatewayTables())
        self.definitions = Definitions(self.source, FakeClock())

        async def read_json(_: str, body: bytes) -> object:
            return check_json(body)

        self.checks = InputChecks(self.jobs, read_json)

    async def check(self, schema: str, body: bytes) -> None:
        more = f"input: {{schema: {{format: json, document: {schema}}}}}"
        self.source.deploy(TENANT, definition(more=more))
        found = await self.definitions.find((TENANT, "test", "flow"), None)
        await self.checks.input(TENANT, found, body)

    async def test_a_cheap_schema_is_checked_here_and_a_costly_one_in_a_job(self):
        await self.check("{type: integer}", b"1")
        assert self.jobs.faults.entered["check_input"] == 0
        with pytest.raises(ProblemError, match="does not match the input schema") as refused:
            await self.check("{type: integer}", b'"1"')
        assert [one.pointer for one in refused.value.errors or []] == [""]

    async def test_a_costly_schema_is_checked_in_a_job(self):
        costly = "{$ref: '#/$defs/a', $defs: {a: {items: {$ref: '#/$defs/a'}, maxItems: 1}}}"
        await self.check(costly, b"[[[]]]")
        with pytest.raises(ProblemError, match="does not match"):
            await self.check(costly, b"[[[1, 2]]]")
        assert self.jobs.faults.entered["check_input"] == 2
        self.jobs.faults.plan("check_input", BoundExceeded("input", "cpu", "it took more than 500 ms"))
        with pytest.raises(ProblemError, match="it took more than 500 ms") as refused:
            await self.check(costly, b"[]")
        assert refused.value.status == 422
