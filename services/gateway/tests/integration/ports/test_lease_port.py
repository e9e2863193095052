"""Leases of rates and of quotas, of the fake and of PostgreSQL alike."""

import asyncio
from datetime import date, timedelta

from kit.gateway_ports import GatewayGround
from visapi_gateway.rates.lending import QuotaAsked, QuotaReturn, RateAsked
from visapi_gateway.rates.rules.gcra import Limit


class TestRates:
    async def test_no_more_than_the_burst_is_granted_and_each_step_gives_one_back(
        self, ground: GatewayGround
    ):
        of, limit = (ground.tenant, "key:k"), Limit(50.0, 10)

        async def lease(wanted: int) -> int:
            asked = RateAsked(*of, wanted, limit.step_s, limit.burst)
            return (await ground.leases.lease_rates([asked]))[of].granted

        assert await lease(7) == 7
        assert await lease(20) in {3, 4}, "a step may have passed between the two"
        await asyncio.sleep(0.1)
        assert 4 <= await lease(20) <= 10
        await asyncio.sleep(limit.window_s + 0.05)
        assert await lease(99) == 10

    async def test_a_lease_tells_what_is_left_and_when_there_is_more(self, ground: GatewayGround):
        limit = Limit(0.01, 4)
        asked = RateAsked(ground.tenant, "tenant", 3, limit.step_s, limit.burst)
        first = (await ground.leases.lease_rates([asked]))[ground.tenant, "tenant"]
        assert (first.granted, first.left(limit), first.next_in_s(limit)) == (3, 1, 0.0)
        second = (await ground.leases.lease_rates([asked]))[ground.tenant, "tenant"]
        assert (second.granted, second.left(limit)) == (1, 0)
        assert 99 < second.next_in_s(limit) <= 100

    async def test_one_statement_leases_for_many_and_each_has_its_own(self, ground: GatewayGround):
        asked = [
            RateAsked(tenant, subject, 2, 100.0, 3)
            for tenant in (ground.other, ground.tenant)
            for subject in ("name:z", "key:a", "tenant")
        ]
        for expected in (2, 1, 0):
            leases = await ground.leases.lease_rates(asked)
            assert {lease.granted for lease in leases.values()} == {expected}
            assert set(leases) == {(one.tenant, one.subject) for one in asked}


class TestQuotas:
    async def test_no_more_than_the_quota_is_granted_and_returned_runs_are_granted_again(
        self, ground: GatewayGround
    ):
        of = (ground.tenant, "tenant", "day")
        asked = QuotaAsked(*of, 3, 5)
        first = (await ground.leases.lease_quotas([asked]))[of]
        assert (first.granted, first.left) == (3, 2)
        assert 0 < first.ends_in_s <= 86_400
        assert (await ground.leases.lease_quotas([asked]))[of][:2] == (2, 0)
        assert (await ground.leases.lease_quotas([asked]))[of][:2] == (0, 0)
        await ground.leases.return_quotas([QuotaReturn(*of, first.began, 2)])
        assert (await ground.leases.lease_quotas([asked]))[of][:2] == (2, 0)
        for began, runs in ((first.began - timedelta(days=1), 4), (date(2020, 1, 1), 4)):
            await ground.leases.return_quotas([QuotaReturn(*of, began, runs)])
        assert (await ground.leases.lease_quotas([asked]))[of].granted == 0, "of a period that is over"
        await ground.leases.return_quotas([QuotaReturn(*of, first.began, 99)])
        assert (await ground.leases.lease_quotas([asked]))[of][:2] == (3, 2), "never more than was leased"

    async def test_a_quota_that_is_lowered_below_what_was_used_grants_nothing(self, ground: GatewayGround):
        of = (ground.tenant, "key:k", "month")
        await ground.leases.lease_quotas([QuotaAsked(*of, 8, 10)])
        assert (await ground.leases.lease_quotas([QuotaAsked(*of, 1, 5)]))[of][:2] == (0, 0)
        assert (await ground.leases.lease_quotas([QuotaAsked(*of, 9, 10)]))[of][:2] == (2, 0)

    async def test_days_months_and_tenants_are_counted_apart(self, ground: GatewayGround):
        asked = [
            QuotaAsked(tenant, "tenant", period, 2, 3)
            for tenant in (ground.tenant, ground.other)
            for period in ("month", "day")
        ]
        for expected in (2, 1, 0):
            leases = await ground.leases.lease_quotas(asked)
            assert [lease.granted for lease in leases.values()] == [expected] * 4
