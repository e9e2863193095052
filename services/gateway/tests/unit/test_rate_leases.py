"""Leases against a ledger that counts statements, refuses rows, and goes away."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from kit.fakes.clocks import in_no_time
from kit.fakes.gateway.rates import FakeLeases
from visapi_common.core.errors import ContentFault, Fault, ProblemError, TransientFault, UnknownFault
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.logs import LogTap
from visapi_common.telemetry.setup import TelemetryOptions, open_telemetry
from visapi_gateway.rates.allowances import KeyAllowances, Parts
from visapi_gateway.rates.buckets import RETURN_S, Bucket
from visapi_gateway.rates.leases import BUCKETS_MAX, Leases
from visapi_gateway.rates.lending import Lender
from visapi_gateway.rates.rules.gcra import Limit
from visapi_gateway.rates.rules.policies import Book, Defaults, StoredRate
from visapi_gateway.rates.run_quotas import RunQuotas

SHARE = 0.25


class Ledger(FakeLeases):
    """Counts statements, refuses subjects, and goes away for as long as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: Fault | None = None
        self.refused: set[str] = set()
        self.hangs_s = 0.0

    async def _statement(self, method: str, subjects: list[str]) -> None:
        await super()._statement(method, subjects)
        await asyncio.sleep(self.hangs_s)
        if self.fault is not None:
            raise self.fault
        if bad := self.refused.intersection(subjects):
            raise ContentFault(f"cannot be stored: {bad}")


class Gateway:
    """The parts of rates of one gateway."""

    def __init__(self, ledger: Ledger, key: Limit, tenant: Limit, *, per_day: int = 0) -> None:
        monotonic = asyncio.get_running_loop().time
        self.metrics = open_telemetry("gateway", TelemetryOptions(), LogTap()).metrics
        self.lender = Lender(ledger, SHARE, self.metrics, monotonic)
        isolation = partial(Isolation, metrics=self.metrics)
        self.rates = Leases(self.lender.rates, self.lender.rate_alone, isolation("rates"), monotonic)
        self.quotas = Leases(self.lender.quotas, self.lender.quota_alone, isolation("quotas"), monotonic)
        self.refused: list[Bucket] = []
        parts = Parts(self.rates, self.quotas, self.refused.append, monotonic)
        self.allowances = KeyAllowances(Defaults(key, tenant, per_day, 0), parts)
        self.runs = RunQuotas(self.allowances)
        self.loops = [asyncio.create_task(self.rates.run()), asyncio.create_task(self.quotas.run())]

    async def request(self, key: str = "k", tenant: str = "acme") -> bool:
        """Whether a request of the key is admitted."""
        allowance = self.allowances.of_key(tenant, key)
        try:
            if not allowance.take():
                await allowance.wait()
        except ProblemError as refused:
            return _refused_by(refused, "rate_limited")
        return True

    async def run(self, key: str = "k", tenant: str = "acme") -> bool:
        try:
            await self.runs.take(tenant, f"key:{key}")
        except ProblemError as refused:
            return _refused_by(refused, "run_quota_exceeded")
        return True

    def close(self) -> None:
        for loop in self.loops:
            loop.cancel()


def _refused_by(problem: ProblemError, code: str) -> bool:
    assert (problem.status, problem.code) == (429, code)
    return False


async def admitted(ask: Callable[[], Coroutine[Any, Any, bool]], number: int) -> int:
    return sum(await asyncio.gather(*(ask() for _ in range(number))))


WIDE = Limit(1e6, 10_000_000)


@in_no_time
async def test_a_thousand_requests_are_a_few_statements_and_not_one_more_than_the_burst_is_admitted() -> None:
    ledger = Ledger()
    gateway = Gateway(ledger, Limit(0.001, 640), WIDE)
    in_turn = sum([await gateway.request() for _ in range(600)])
    assert in_turn == 600
    assert len(ledger.statements) <= 600 / (640 // 64 / 2)
    assert await admitted(gateway.request, 500) == 40
    before = len(ledger.statements)
    assert await admitted(gateway.request, 1000) == 0
    assert len(ledger.statements) == before, "a flood is refused from memory"
    gateway.close()


@in_no_time
async def test_one_statement_leases_for_the_keys_of_all_tenants_and_crowds_wait_for_nobody() -> None:
    ledger = Ledger()
    gateway = Gateway(ledger, Limit(10, 20), WIDE)
    crowd = [asyncio.create_task(gateway.request(f"k{n}", "crowd")) for n in range(3 * BUCKETS_MAX)]
    await asyncio.sleep(0)
    others = [asyncio.create_task(gateway.request("only", f"small{n}")) for n in range(9)]
    assert all(await asyncio.gather(*others))
    first = ledger.statements[0]
    assert len(first) == BUCKETS_MAX
    assert {"key:only"} <= set(first) | set(ledger.statements[1])
    assert all(await asyncio.gather(*crowd))
    assert len(ledger.statements) <= 5
    gateway.close()


@in_no_time
async def test_three_gateways_admit_what_one_would() -> None:
    ledger, limit = Ledger(), Limit(200, 320)
    gateways = [Gateway(ledger, limit, WIDE) for _ in range(3)]
    loop, total = asyncio.get_running_loop(), 0
    began = loop.time()
    while loop.time() < began + 5:
        total += sum([await admitted(gateway.request, 20) for gateway in gateways])
        await asyncio.sleep(0.02)
    allowed = limit.burst + limit.per_s * (loop.time() - began)
    assert 0.95 * allowed <= total <= allowed + 3 * (limit.burst // 64)
    assert total <= 1.05 * allowed
    for gateway in gateways:
        gateway.close()


@in_no_time
async def test_without_the_database_each_gateway_admits_its_share_and_pays_for_it_afterwards() -> None:
    ledger, limit = Ledger(), Limit(100, 200)
    gateway = Gateway(ledger, limit, WIDE)
    assert await gateway.request()
    ledger.fault = TransientFault("away")
    loop = asyncio.get_running_loop()
    began, total = loop.time(), 0
    while loop.time() < began + 10:
        total += await admitted(gateway.request, 10)
        await asyncio.sleep(0.05)
    share = SHARE * (limit.burst + limit.per_s * 10)
    assert 0.9 * share <= total <= share + limit.burst // 64 + 1
    assert len(ledger.statements) <= 15, "the database is not asked for each request"
    ledger.fault = None
    await asyncio.sleep(1.1)
    after, began = 0, loop.time()
    while loop.time() < began + 4:
        after += await admitted(gateway.request, 20)
        await asyncio.sleep(0.02)
    assert after <= limit.burst + limit.per_s * 4 + limit.burst // 64 - min(total, limit.burst) + 1
    gateway.close()


@in_no_time
async def test_a_database_that_hangs_is_given_up_and_nobody_waits_for_ever() -> None:
    ledger = Ledger()
    gateway = Gateway(ledger, Limit(100, 200), WIDE)
    ledger.hangs_s, ledger.fault = 60.0, UnknownFault("no answer")
    allowance = gateway.allowances.of_key("acme", "k")
    assert not allowance.take()
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TransientFault, match="rates cannot be checked"):
        await allowance.wait()
    assert loop.time() - began <= 5.1
    gateway.close()


@in_no_time
async def test_a_rate_that_the_database_refuses_stops_no_other() -> None:
    ledger = Ledger()
    ledger.refused = {"key:bad"}
    gateway = Gateway(ledger, Limit(100, 200), WIDE)
    asked = [gateway.request(key) for key in ("a", "bad", "b", "c")]
    assert await asyncio.gather(*asked) == [True] * 4
    assert await admitted(partial(gateway.request, "bad"), 300) <= SHARE * 200 + 200 // 64
    assert await admitted(partial(gateway.request, "a"), 150) == 150
    gateway.close()


@in_no_time
async def test_a_caller_that_goes_away_while_it_waits_leaves_nothing_behind() -> None:
    ledger = Ledger()
    gateway = Gateway(ledger, Limit(1, 3), WIDE)
    waiting = [asyncio.create_task(gateway.request()) for _ in range(50)]
    await asyncio.sleep(0)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    bucket = gateway.allowances.of_key("acme", "k").requests.buckets[0]
    assert bucket.waiting == 0
    assert bucket.tokens == 0, "nobody collects tokens by going away"
    await asyncio.sleep(5)
    assert await admitted(gateway.request, 10) == 3
    gateway.close()


@in_no_time
async def test_a_key_takes_from_its_names_and_its_tenant_or_from_none_of_them() -> None:
    ledger = Ledger()
    gateway = Gateway(ledger, Limit(100, 640), Limit(0.001, 64))
    shared = StoredRate("acme", "name:partners", 0.001, 10, None, None, ("a", "b"))
    gateway.allowances.apply(Book([shared]))
    assert await admitted(partial(gateway.request, "a"), 6) == 6
    assert await admitted(partial(gateway.request, "b"), 6) == 4
    assert [one.name for one in gateway.refused[-2:]] == ["partners", "partners"]
    # What the tenant leased for the two that their name refused is not held for anybody else.
    assert await admitted(partial(gateway.request, "c"), 80) == 64 - 10 - 2
    assert gateway.refused[-1].name == "tenant"
    gateway.close()


@in_no_time
async def test_a_lower_rate_applies_to_what_is_leased_already() -> None:
    ledger = Ledger()
    gateway = Gateway(ledger, Limit(1000, 64_000), WIDE)
    assert await gateway.request()
    assert gateway.allowances.of_key("acme", "k").requests.buckets[0].tokens == 1000
    gateway.allowances.apply(Book([StoredRate("acme", "key:k", 1.0, 2, None, None, ())]))
    assert await admitted(gateway.request, 100) <= 2
    gateway.close()


@in_no_time
async def test_a_quota_is_never_exceeded_and_what_nobody_starts_is_returned() -> None:
    ledger = Ledger()
    gateways = [Gateway(ledger, WIDE, WIDE, per_day=1000) for _ in range(3)]
    assert sum([await admitted(gateway.run, 200) for gateway in gateways]) == 600
    await asyncio.sleep(0.1)
    assert sum(ledger.used.values()) > 600, "runs are leased ahead"
    assert len(ledger.statements) < 200
    for gateway in gateways[1:]:
        await gateway.lender.give_back(gateway.allowances.quota_buckets(), idle_only=True)
        await gateway.lender.give_back(gateway.allowances.quota_buckets(), idle_only=True)
    held = gateways[0].allowances.of_key("acme", "k").runs.buckets[0].tokens
    assert sum(ledger.used.values()) == 600 + held
    assert await admitted(gateways[0].run, 1000) == 400
    assert await gateways[1].run() is False
    assert sum(ledger.used.values()) == 1000
    for gateway in gateways:
        gateway.close()


@in_no_time
async def test_what_a_busy_gateway_does_not_use_comes_back_within_the_time_that_a_refusal_names() -> None:
    ledger = Ledger()
    busy, other = [Gateway(ledger, WIDE, WIDE, per_day=640) for _ in range(2)]
    assert [await busy.run() for _ in range(2)] == [True, True]
    assert await admitted(other.run, 640) == 640 - 2 - 9, "the first has leased nine ahead"

    async def wait_s() -> int:
        with pytest.raises(ProblemError) as refused:
            await other.runs.take("acme", "key:k")
        return int(refused.value.headers["Retry-After"])

    soon = await wait_s()
    assert 2 * RETURN_S <= soon <= 2 * RETURN_S + 1
    for _ in range(2):
        assert await busy.run()
        await asyncio.sleep(RETURN_S)
        await busy.lender.give_back(busy.allowances.quota_buckets(), idle_only=True)
    await asyncio.sleep(1)
    assert await admitted(other.run, 9) == 6, "of seven, the first keeps one, as it starts one in that time"
    assert await wait_s() > 3600, "nobody holds runs that it does not use"
    busy.close()
    other.close()


@in_no_time
async def test_what_is_leased_for_a_day_starts_nothing_on_the_next() -> None:
    ledger = Ledger()
    loop = asyncio.get_running_loop()
    ledger.day_ends_at = loop.time() + 10
    gateway = Gateway(ledger, WIDE, WIDE, per_day=640)
    assert await gateway.run()
    bucket = gateway.allowances.of_key("acme", "k").runs.buckets[0]
    assert bucket.tokens == 0
    assert await gateway.run()
    assert bucket.tokens == 9
    await asyncio.sleep(11)
    ledger.next_day()
    assert await gateway.run()
    assert ledger.used["acme", "tenant", "day", ledger.day] == 1
    gateway.close()


@in_no_time
async def test_a_run_that_is_not_accepted_is_not_counted_nor_counted_on_another_day() -> None:
    ledger = Ledger()
    loop = asyncio.get_running_loop()
    ledger.day_ends_at = loop.time() + 10
    gateway = Gateway(ledger, WIDE, WIDE, per_day=1)
    first = await gateway.runs.take("acme", "key:k")
    assert not await gateway.run()
    first.give_back()
    last = await gateway.runs.take("acme", "key:k")
    await asyncio.sleep(11)
    ledger.next_day()
    assert await gateway.run()
    last.give_back()
    assert not await gateway.run()
    gateway.close()


@in_no_time
async def test_without_the_database_no_run_is_lent() -> None:
    ledger = Ledger()
    ledger.fault = TransientFault("away")
    gateway = Gateway(ledger, WIDE, WIDE, per_day=10)
    with pytest.raises(TransientFault, match="quotas of runs cannot be checked"):
        await gateway.run()
    gateway.close()


@in_no_time
async def test_runs_whose_return_is_not_answered_are_not_held_twice() -> None:
    ledger = Ledger()
    gateway = Gateway(ledger, WIDE, WIDE, per_day=640)
    assert await admitted(gateway.run, 2) == 2
    bucket = gateway.allowances.of_key("acme", "k").runs.buckets[0]
    assert await gateway.run()
    held = bucket.tokens
    assert held > 0
    ledger.fault = TransientFault("nothing happened")
    with pytest.raises(TransientFault):
        await gateway.lender.give_back([bucket], idle_only=False)
    assert bucket.tokens == held
    ledger.fault = UnknownFault("perhaps returned")
    with pytest.raises(UnknownFault):
        await gateway.lender.give_back([bucket], idle_only=False)
    assert bucket.tokens == 0
    gateway.close()
