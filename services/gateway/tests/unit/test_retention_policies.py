"""How long runs are kept: policies, their default and their bounds."""

import pytest

from kit.fakes.gateway.retention import FakeRetention
from kit.fakes.gateway.tables import TENANT, WHO, GatewayTables
from visapi_common.contracts.retention import SetRetention
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.api.etags import etag_of
from visapi_gateway.kernel.asgi.http import encode
from visapi_gateway.retention.service import Retentions


class TestRetentions:
    def setup_method(self) -> None:
        self.retentions = Retentions(FakeRetention(GatewayTables()))

    async def test_a_namespace_without_a_policy_has_the_default(self):
        kept = await self.retentions.read(TENANT, "sales")
        assert (kept.days, kept.is_default) == (30, True)
        with pytest.raises(ProblemError, match="no retention policy of its own"):
            await self.retentions.reset(WHO, "sales")

    async def test_a_policy_applies_until_it_is_reset(self):
        made = await self.retentions.set(WHO, "sales", SetRetention(7))
        assert await self.retentions.read(TENANT, "sales") == made
        assert (made.days, made.is_default, made.updated_by) == (7, False, "key:a")
        await self.retentions.reset(WHO, "sales")
        assert (await self.retentions.read(TENANT, "sales")).is_default

    async def test_a_number_of_days_that_is_not_offered_is_refused_with_the_nearest(self):
        with pytest.raises(ProblemError) as refused:
            await self.retentions.set(WHO, "sales", SetRetention(8))
        assert "the nearest is 7" in (refused.value.errors or [])[0].detail

    async def test_pages_go_on_where_they_ended(self):
        for namespace in ("a", "b", "c"):
            await self.retentions.set(WHO, namespace, SetRetention(7))
        first = await self.retentions.page(TENANT, None, 2)
        assert ([one.namespace for one in first.items], first.next) == (["a", "b"], "b")
        second = await self.retentions.page(TENANT, "b", 2)
        assert ([one.namespace for one in second.items], second.next) == (["c"], None)

    async def test_a_change_of_another_state_than_the_one_read_is_refused(self):
        tag = etag_of(encode(await self.retentions.read(TENANT, "sales")))
        made = await self.retentions.set(WHO, "sales", SetRetention(7), tag)
        for stale in (tag, '"x"', ""):
            with pytest.raises(ProblemError) as refused:
                await self.retentions.set(WHO, "sales", SetRetention(14), stale)
            assert refused.value.code == "precondition_failed"
            with pytest.raises(ProblemError):
                await self.retentions.reset(WHO, "sales", stale)
        assert await self.retentions.read(TENANT, "sales") == made
        await self.retentions.set(WHO, "sales", SetRetention(14), "*")
        await self.retentions.reset(
            WHO, "sales", etag_of(encode(await self.retentions.read(TENANT, "sales")))
        )
