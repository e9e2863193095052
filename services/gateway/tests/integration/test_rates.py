"""Rates: shared by gateways, told in headers, set by people."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest

from kit.ledger_rows import move_back, overwrite, plant
from kit.servers import Database, NatsServer
from visapi_common.adapters.pool import Pool, open_pool
from visapi_common.core.errors import TransientFault
from visapi_gateway.rates.lending import QuotaAsked, QuotaReturn, RateAsked
from visapi_gateway.rates.rules.gcra import Limit, lend
from visapi_gateway.rates.store import PgLedgerOfLeases

HERE = "/v1/rates/current"


async def known(gateway: Any, client: httpx.AsyncClient) -> None:
    """Wait until the gateway knows the client's key; it reads its keys when one is made."""
    assert (await gateway.http.post("/v1/keys", json={"name": "another"})).is_success

    async def answers() -> bool:
        return (await client.get(HERE)).status_code == 200

    await gateway.until(answers)


@pytest.fixture
async def pool(postgres_db: Database) -> AsyncIterator[Pool]:
    opened = await open_pool(postgres_db.gateway, size=4, application="gateway")
    yield opened
    opened.terminate()


async def flood(client: httpx.AsyncClient, until: float, pause_s: float = 0.01) -> Counter[int]:
    """The number of answers by status."""
    statuses = Counter[int]()
    while time.monotonic() < until:
        answers = await asyncio.gather(*(client.get(HERE) for _ in range(8)))
        statuses.update(answer.status_code for answer in answers)
        await asyncio.sleep(pause_s)
    return statuses


async def test_three_gateways_admit_what_one_would(serve: Any, shared_nats: NatsServer) -> None:
    limit = Limit(10.0, 128)
    async with AsyncExitStack() as stack:
        settings = {"key_rate_per_s": limit.per_s, "key_burst": limit.burst}
        gateways = [await stack.enter_async_context(serve(shared_nats, **settings)) for _ in range(3)]
        key = await gateways[0].key()
        clients = [await stack.enter_async_context(one.client(key)) for one in gateways]
        for gateway in gateways:
            await gateway.http.post("/v1/keys", json={"name": "makes the gateway read its keys"})
        began, statuses = time.monotonic(), Counter[int]()

        async def over() -> bool:
            """Whether each gateway was asked for more than there was, whatever the machine does beside it."""
            for some in await asyncio.gather(*(flood(one, time.monotonic() + 1) for one in clients)):
                statuses.update(some)
            refusals = ("visapi_rate_refusals_total", {"of": "rate", "whose": "key"})
            return all(one.lifecycle.metrics.registry.get_sample_value(*refusals) for one in gateways)

        await gateways[0].until(over, within_s=60)
        allowed = limit.burst + limit.per_s * (time.monotonic() - began)
    assert set(statuses) <= {200, 401, 429}
    assert 0.9 * allowed <= statuses[200] <= 1.05 * allowed


async def test_a_statement_grants_what_the_rule_grants(pool: Pool) -> None:
    ledger, random = PgLedgerOfLeases(pool, rates_s=20, quotas_s=20), Random(7)
    limits = {f"key:{n}": Limit(random.uniform(0.5, 500), random.randint(1, 60)) for n in range(12)}
    arrivals: dict[str, float] = {}
    for _ in range(15):
        asked = [
            RateAsked("acme", subject, random.randint(1, 40), limit.step_s, limit.burst)
            for subject, limit in limits.items()
        ]
        leases = await ledger.lease_rates(asked)
        rows = await pool.fetch(
            "select subject, extract(epoch from leased_at)::float8 as at from visapi.rate_leases"
        )
        times = {row["subject"]: row["at"] for row in rows}
        for one in asked:
            wanted = min(one.wanted, one.burst)
            by_rule, arrivals[one.subject] = lend(
                limits[one.subject], arrivals.get(one.subject), times[one.subject], wanted
            )
            by_ledger = leases["acme", one.subject]
            assert abs(by_ledger.granted - by_rule.granted) <= 1, (
                "a token may lie on the edge of a microsecond"
            )
            assert by_ledger.used == pytest.approx(by_rule.used, abs=1.01)
            arrivals[one.subject] += (by_ledger.granted - by_rule.granted) * one.step_s
        await asyncio.sleep(0.02)


async def test_a_clock_that_is_put_back_closes_a_rate_for_a_window_at_most(pool: Pool) -> None:
    ledger, asked = (
        PgLedgerOfLeases(pool, rates_s=20, quotas_s=20),
        RateAsked("acme", "tenant", 100, 0.001, 100),
    )
    await ledger.lease_rates([asked])
    await move_back(pool, "rate_leases", timedelta(hours=-3), "arrival")
    lease = (await ledger.lease_rates([asked]))["acme", "tenant"]
    assert (lease.granted, lease.next_in_s(Limit(1000, 100))) == (0, pytest.approx(0.001, abs=1e-4))
    await asyncio.sleep(0.12)
    assert (await ledger.lease_rates([asked]))["acme", "tenant"].granted == 100


async def test_leases_at_the_same_time_in_any_order_wait_in_no_circle(pool: Pool) -> None:
    ledger, random = PgLedgerOfLeases(pool, rates_s=20, quotas_s=20), Random(3)
    subjects = [f"key:{n}" for n in range(40)]

    async def lease() -> int:
        asked = [RateAsked("acme", one, 1, 1e6, 30) for one in random.sample(subjects, len(subjects))]
        return sum(each.granted for each in (await ledger.lease_rates(asked)).values())

    granted = sum(await asyncio.gather(*(lease() for _ in range(50))))
    assert granted == 30 * len(subjects)


async def test_what_a_dead_gateway_held_comes_back_with_time_and_with_the_next_period(pool: Pool) -> None:
    ledger = PgLedgerOfLeases(pool, rates_s=20, quotas_s=20)
    rate = RateAsked("acme", "key:k", 5, 0.02, 5)
    assert (await ledger.lease_rates([rate]))["acme", "key:k"].granted == 5
    assert (await ledger.lease_rates([rate]))["acme", "key:k"].granted == 0
    await asyncio.sleep(0.15)
    assert (await ledger.lease_rates([rate]))["acme", "key:k"].granted == 5
    of = ("acme", "key:k", "day")
    quota = QuotaAsked(*of, 3, 4)
    first = (await ledger.lease_quotas([quota]))[of]
    assert (first.granted, first.left) == (3, 1)
    assert 0 < first.ends_in_s <= 86_400
    assert (await ledger.lease_quotas([quota]))[of][:2] == (1, 0)
    await ledger.return_quotas([QuotaReturn(*of, first.began, 2)])
    assert (await ledger.lease_quotas([quota]))[of][:2] == (2, 0)
    await overwrite(pool, "quota_leases", {}, began=first.began - timedelta(days=1))
    assert (await ledger.lease_quotas([quota]))[of][:2] == (3, 1)
    await ledger.return_quotas([QuotaReturn(*of, first.began, 3)])
    assert (await ledger.lease_quotas([quota]))[of].granted == 3
    before = (await ledger.lease_quotas([quota]))[of]
    await ledger.return_quotas([QuotaReturn(*of, before.began.replace(year=2020), 3)])
    assert (await ledger.lease_quotas([quota]))[of].granted == 0, "the period of what is returned is over"


@pytest.mark.parametrize(
    "lease",
    [
        lambda ledger: ledger.lease_rates([RateAsked("acme", "tenant", 1, 1.0, 5)]),
        lambda ledger: ledger.lease_quotas([QuotaAsked("acme", "tenant", "day", 1, 5)]),
    ],
    ids=["rates", "quotas"],
)
async def test_a_lease_that_postgresql_does_not_answer_is_given_up_in_time(
    postgres_db: Database, lease: Callable[[PgLedgerOfLeases], Awaitable[object]]
) -> None:
    """Not even the request to cancel it is answered; the only connection of the pool is replaced."""
    pool = await open_pool(postgres_db.gateway, size=1, application="gateway")
    ledger = PgLedgerOfLeases(pool, rates_s=0.5, quotas_s=0.5)
    backend = await pool.fetchval("select pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    try:
        began = time.monotonic()
        async with asyncio.timeout(8):
            with pytest.raises(TransientFault):
                await lease(ledger)
        assert time.monotonic() - began < 0.5 + 0.5
        async with asyncio.timeout(8):
            await lease(PgLedgerOfLeases(pool, rates_s=5, quotas_s=5))
    finally:
        os.kill(backend, signal.SIGCONT)
        pool.terminate()


async def test_an_answer_tells_of_the_rates_whatever_it_is(serve: Any, shared_nats: NatsServer) -> None:
    async with serve(shared_nats, key_rate_per_s=0.5, key_burst=6, tenant_burst=900) as gateway:
        key = await gateway.key(scopes=("runs:read",))
        async with gateway.client(key) as client:
            await known(gateway, client)
            await asyncio.sleep(0.1)
            answers = [
                await client.get(path) for path in ("/v1/runs", "/v1/nothing", "/v1/keys", "/v1/runs/x")
            ]
            assert [one.status_code for one in answers] == [200, 404, 403, 404]
            for answer in (answers[0], answers[2]):
                assert answer.headers["ratelimit-policy"] == '"key";q=6;w=12, "tenant";q=900;w=2'
                assert answer.headers["ratelimit"].startswith('"key";r=')
                assert "retry-after" not in answer.headers
            assert "ratelimit" not in answers[1].headers, "no operation, no rate"
            refused = await gateway.until(lambda: _with_status(client, 429))
            assert refused.json()["code"] == "rate_limited"
            assert "the key may send 0.5 requests per second, 6 at once" in refused.json()["detail"]
            wait_s = int(refused.headers["retry-after"])
            assert refused.headers["ratelimit"] == f'"key";r=0;t={wait_s}'
            assert 1 <= wait_s <= 2
            assert refused.headers["ratelimit-policy"].startswith('"key";q=6')
            await asyncio.sleep(wait_s)
            assert (await client.get(HERE)).status_code == 200
        async with gateway.client(None) as nobody:
            assert "ratelimit" not in (await nobody.get("/v1/runs")).headers


async def _with_status(client: httpx.AsyncClient, status: int) -> httpx.Response | None:
    answer = await client.get(HERE)
    return answer if answer.status_code == status else None


async def test_a_tenant_bounds_its_keys_together_and_no_other_tenant(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with (
        serve(shared_nats, tenant_rate_per_s=0.1, tenant_burst=40) as gateway,
        AsyncExitStack() as stack,
    ):
        greedy = [await gateway.key("greedy") for _ in range(8)]
        clients = [await stack.enter_async_context(gateway.client(key)) for key in greedy]
        quiet = await stack.enter_async_context(gateway.client(await gateway.key("quiet")))
        await known(gateway, quiet)
        answers = [await asyncio.gather(*(one.get(HERE) for _ in range(10))) for one in clients]
        statuses = Counter(answer.status_code for some in answers for answer in some)
        assert statuses[200] <= 41
        assert statuses[429] >= 38
        refused = next(answer for some in answers for answer in some if answer.status_code == 429)
        assert refused.headers["ratelimit"].startswith('"tenant";r=0;t=')
        began = time.monotonic()
        assert [(await quiet.get(HERE)).status_code for _ in range(20)] == [200] * 20
        assert time.monotonic() - began < 2


async def test_while_nothing_can_be_leased_a_gateway_admits_its_share_and_never_all(
    serve: Any, shared_nats: NatsServer
) -> None:
    settings = {"key_rate_per_s": 20.0, "key_burst": 80, "rate_share": 0.25}
    async with serve(shared_nats, **settings) as gateway, gateway.client(await gateway.key()) as client:
        await known(gateway, client)
        grants = "insert, update on visapi.rate_leases"
        await gateway.db.execute(f"revoke {grants} from visapi_gateway")
        began = time.monotonic()
        admitted = (await flood(client, began + 2.0, 0.02))[200]
        share = 0.25 * (80 + 20 * (time.monotonic() - began)) + 80 // 64 + 1
        assert 15 <= admitted <= share
        sample = gateway.lifecycle.metrics.registry.get_sample_value
        assert sample("visapi_rate_leases_total", {"of": "rate", "outcome": "alone"}) > 0
        assert sample("visapi_operator_faults_total", {"loop": "rates", "class": "42"}) > 0
        await gateway.db.execute(f"grant {grants} to visapi_gateway")

        async def leased() -> bool:
            before = sample("visapi_rate_leases_total", {"of": "rate", "outcome": "granted"})
            await client.get(HERE)
            return sample("visapi_rate_leases_total", {"of": "rate", "outcome": "granted"}) > before

        await gateway.until(leased)


async def test_a_gateway_reads_the_rates_of_the_keys_that_it_holds(pool: Pool, gateway: Any) -> None:
    made = [(await gateway.http.post("/v1/keys", json={"name": f"k{n}"})).json()["id"] for n in range(5)]
    valid, revoked, disabled, ended, expired = made
    for key in made:
        assert (await gateway.http.put(f"/v1/keys/{key}/rate", json={"per_s": 1})).status_code == 200
    shared = {"per_s": 1, "keys": [valid, ended]}
    assert (await gateway.http.put("/v1/rates/partners", json=shared)).status_code == 200
    for key in (revoked, ended):
        assert (await gateway.http.delete(f"/v1/keys/{key}")).status_code == 204
    answer = await gateway.http.post(f"/v1/keys/{disabled}/disable", json={"reason": "for a while"})
    assert answer.status_code == 200, answer.text
    await move_back(gateway.db, "api_keys", timedelta(hours=2), "disabled_at", id=[ended, disabled])
    two_hours_ago = datetime.now(UTC) - timedelta(hours=2)
    await overwrite(gateway.db, "api_keys", {"id": expired}, expires_at=two_hours_ago)
    read = [rate.subject for rate in await PgLedgerOfLeases(pool).all_rates()]
    assert sorted(read) == sorted([*(f"key:{key}" for key in (valid, revoked, disabled)), "name:partners"])


async def test_what_nobody_needs_is_deleted(pool: Pool, gateway: Any) -> None:
    ledger = PgLedgerOfLeases(pool, rates_s=20, quotas_s=20)
    await ledger.lease_rates(
        [RateAsked("acme", "key:old", 1, 1.0, 5), RateAsked("acme", "key:new", 1, 1.0, 5)]
    )
    await ledger.lease_quotas(
        [QuotaAsked("acme", "tenant", "day", 1, 5), QuotaAsked("acme", "tenant", "month", 1, 5)]
    )
    made = (await gateway.http.post("/v1/keys", json={"name": "k"})).json()["id"]
    await gateway.http.put(f"/v1/keys/{made}/rate", json={"per_s": 1})
    await plant(pool, "rates", tenant="default", subject="key:gone", per_s=1.0, updated_by="key:x")
    await move_back(pool, "rate_leases", timedelta(days=2), "arrival", subject="key:old")
    await overwrite(pool, "quota_leases", {"period": "day"}, began=date(2020, 1, 1))
    await ledger.sweep(1000)
    leases = await pool.fetch("select subject from visapi.rate_leases where tenant = 'acme'")
    assert [row["subject"] for row in leases] == ["key:new"]
    assert [row["period"] for row in await pool.fetch("select period from visapi.quota_leases")] == ["month"]
    assert [row["subject"] for row in await pool.fetch("select subject from visapi.rates")] == [f"key:{made}"]
