"""Starts and ends of many deliveries in one statement: what one of them provokes is its own, on real PostgreSQL."""

import asyncio
from typing import Any

import asyncpg
import pytest

from kit.servers import Database
from kit.usage_rows import counted
from kit.waiting import eventually
from visapi_common.core.errors import ContentFault, OperatorFault
from visapi_notifier.delivery.rules import DeliveryState, LeaseGranted, Start
from visapi_notifier.delivery.store import PostgresLedger


async def together(*work: Any) -> list[Any]:
    """All in one batch: submitted before the loop is awake."""
    async with asyncio.timeout(20):
        return await asyncio.gather(*work, return_exceptions=True)


def starts(make_task: Any, count: int, at: int, **poison: Any) -> list[Start]:
    return [
        Start(make_task(f"{number:064x}", **(poison if number == at else {})), False, "me")
        for number in range(count)
    ]


POISONS = {
    "a path that PostgreSQL cannot store": {"path": "/do/\0"},
    "a path that is no UTF-8": {"path": "/do/\ud800"},
    "a run that is none": {"run": "not a uuid"},
    "an attempt that cannot be compared": {"attempt": None},
    "an attempt below its type": {"attempt": -40_000},
}


@pytest.mark.parametrize("poison", POISONS)
async def test_a_start_that_cannot_be_stored_fails_alone(replica: Any, make_task: Any, poison: str) -> None:
    ledger: PostgresLedger = replica.ledger
    wanted = starts(make_task, 20, 7, **POISONS[poison])
    answers = await together(*(ledger.start(start) for start in wanted))
    assert isinstance(answers.pop(7), ContentFault)
    assert answers == [LeaseGranted()] * 19
    assert await together(ledger.start(Start(make_task("f" * 64), False, "me"))) == [LeaseGranted()]


@pytest.mark.parametrize("owner", ["\0", "\ud800", 7])
async def test_an_end_that_cannot_be_stored_fails_alone(replica: Any, make_task: Any, owner: Any) -> None:
    ledger: PostgresLedger = replica.ledger
    wanted = starts(make_task, 20, 20)
    assert await together(*(ledger.start(start) for start in wanted)) == [LeaseGranted()] * 20
    wanted[7] = Start(wanted[7].message, False, owner)
    ends = await together(*(ledger.finish(start, DeliveryState.SENT, b"{}") for start in wanted))
    assert isinstance(ends.pop(7), ContentFault)
    assert ends == [None] * 19
    states = await replica.pool.fetch("select state, count(*) from deliveries group by state order by state")
    assert [tuple(row) for row in states] == [("sent", 19), ("started", 1)]


async def test_what_was_sent_counts_as_used_once_and_what_failed_does_not(
    replica: Any, make_task: Any, postgres_db: Database
) -> None:
    ledger: PostgresLedger = replica.ledger
    wanted = starts(make_task, 9, 9)
    await together(*(ledger.start(start) for start in wanted))
    ends = [DeliveryState.SENT] * 6 + [DeliveryState.FAILED, DeliveryState.UNCERTAIN, DeliveryState.FAILED]
    for _ in range(2):
        again = (ledger.finish(start, end, b"{}") for start, end in zip(wanted, ends, strict=True))
        assert await together(*again) == [None] * 9
    # Somebody says that the uncertain one has happened after all.
    assert await together(ledger.finish(wanted[7], DeliveryState.SENT, b"{}")) == [None]
    owner = await asyncpg.connect(postgres_db.superuser)
    try:
        sums = await counted(owner, wanted[0].message.tenant)
    finally:
        await owner.close()
    assert {name: number for name, number in sums.items() if number} == {"deliveries": 7}


async def test_a_missing_grant_is_told_to_all_and_mended_by_the_operator(
    replica: Any, make_task: Any, postgres_db: Database
) -> None:
    ledger: PostgresLedger = replica.ledger
    operator = await asyncpg.connect(postgres_db.superuser)
    try:
        await operator.execute("revoke insert on visapi.deliveries from visapi_notifier")
        answers = await together(*(ledger.start(start) for start in starts(make_task, 3, 3)))
        assert all(isinstance(answer, OperatorFault) for answer in answers)
        await operator.execute("grant insert on visapi.deliveries to visapi_notifier")
        assert (
            await together(*(ledger.start(start) for start in starts(make_task, 3, 3)))
            == [LeaseGranted()] * 3
        )
    finally:
        await operator.close()


async def test_a_lease_that_cannot_be_renewed_ages_alone(replica: Any, make_task: Any) -> None:
    """The renewals of a process are one statement."""
    start, now = Start(make_task("a" * 64), False, "me"), replica.clock.monotonic()
    assert await together(replica.ledger.start(start)) == [LeaseGranted()]
    with (
        replica.leases.holding(start.message.effect_key, start.owner, now) as lease,
        replica.leases.holding("b" * 64, "\0", now) as poisoned,
    ):
        await eventually(lambda: lease.confirmed_at != now)
        assert (lease.lost, poisoned.confirmed_at) == (False, now)
