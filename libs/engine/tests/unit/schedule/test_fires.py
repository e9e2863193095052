"""When schedules fire: around changes of the clock, after downtime, one over another."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_engine.schedule.decisions import Schedule, look, may_start, within
from visapi_engine.schedule.fires import BadSchedule, check_cron, cron_fires, every_fires, jitter, zone_of


def fires(cron: str, zone: str, after: str, count: int) -> list[str]:
    found = islice(cron_fires(cron, zone_of(zone), datetime.fromisoformat(after)), count)
    return [fire.strftime("%d %H:%M") for fire in found]


def test_a_time_that_does_not_exist_fires_once_when_the_gap_is_over() -> None:
    # 29 March 2026: in Berlin 02:00 to 03:00 is left out, at 01:00 UTC.
    assert fires("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+00:00", 2) == ["29 01:00", "30 00:30"]


def test_a_time_that_exists_twice_fires_the_first_time_only() -> None:
    # 25 October 2026: in Berlin 02:00 to 03:00 comes twice, from 00:00 and from 01:00 UTC.
    assert fires("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+00:00", 2) == ["25 00:30", "26 01:30"]


def test_wildcards_follow_the_clock_on_the_wall_through_both() -> None:
    assert fires("0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00+00:00", 3) == [
        "29 00:00",
        "29 01:00",
        "29 02:00",
    ]
    assert fires("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00+00:00", 3) == [
        "25 00:00",
        "25 01:00",
        "25 02:00",
    ]


def test_a_change_of_half_an_hour_is_a_change_too() -> None:
    # Lord Howe goes back half an hour on 5 April 2026 at 15:00 UTC the day before, and forward in October.
    assert fires("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T12:00:00+00:00", 2) == [
        "02 15:45",
        "03 15:30",
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/20 * * * *", "0 0 * * *", "15 1,2,3 * * 0"])
def test_over_a_year_every_fire_is_later_than_the_one_before_and_none_is_lost(zone: str, cron: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found: list[datetime] = []
    for fire in cron_fires(cron, zone_of(zone), start):
        if fire >= start + timedelta(days=365):
            break
        found.append(fire)
    assert all(first < second for first, second in pairwise(found))
    days = {fire.astimezone(zone_of(zone)).date() for fire in found}
    expected = 365 if "* * 0" not in cron else 52
    assert abs(len(days) - expected) <= 1


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("* * * *", "has 5 fields"),
        ("61 * * * *", "not a cron"),
        ("0 0 30 2 *", "day-of-month"),
        ("nope", "5 fields"),
    ],
)
def test_a_bad_expression_says_what_is_wrong(cron: str, told: str) -> None:
    with pytest.raises(BadSchedule, match=told):
        check_cron(cron)


def test_macros_and_names_are_understood() -> None:
    for cron in ("@daily", "0 9 * * MON-FRI", "0 0 L * *", "0 0 1 JAN *"):
        check_cron(cron)


def test_an_unknown_time_zone_is_told() -> None:
    with pytest.raises(BadSchedule, match="Mars/Base"):
        zone_of("Mars/Base")


@given(st.integers(1000, 10_000_000), st.integers(-(10**9), 10**9))
def test_every_counts_from_its_anchor_without_drift(ms: int, offset: int) -> None:
    anchor = datetime(2026, 6, 1, tzinfo=UTC)
    after = anchor + timedelta(milliseconds=offset)
    first, second = islice(every_fires(ms, anchor, after), 2)
    step = timedelta(milliseconds=ms)
    assert first > after
    assert first - anchor >= step
    assert (first - anchor) % step == timedelta(0)
    assert second - first == step


def test_jitter_is_bounded_and_always_the_same() -> None:
    fire = datetime(2026, 6, 1, tzinfo=UTC)
    spread = {jitter(60_000, schedule=str(n), fire=fire) for n in range(50)}
    assert len(spread) > 40
    assert all(timedelta(0) <= late <= timedelta(minutes=1) for late in spread)
    assert jitter(60_000, schedule="1", fire=fire) == jitter(60_000, schedule="1", fire=fire)


NOW = datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC)


def seen(schedule: Schedule, last: datetime) -> tuple[list[str], list[str]]:
    found = look(schedule, key="k", anchor=last, last=last, now=NOW)
    return [fire.strftime("%H") for fire in found.due], [fire.strftime("%H") for fire in found.missed]


def test_what_was_missed_is_caught_up_as_the_policy_says() -> None:
    last = NOW - timedelta(hours=3, minutes=30)
    assert seen(Schedule(cron="0 * * * *", catch_up="none"), last) == (["12"], ["09", "10", "11"])
    assert seen(Schedule(cron="0 * * * *", catch_up="latest"), last) == (["12"], ["09", "10", "11"])
    assert seen(Schedule(cron="0 * * * *", catch_up="all"), last) == (["09", "10", "11", "12"], [])
    half = Schedule(cron="30 * * * *", catch_up="latest")
    assert seen(half, last - timedelta(minutes=1)) == (["11"], ["08", "09", "10"])
    windowed = Schedule(cron="30 * * * *", catch_up="all", window_ms=2 * 3_600_000)
    assert seen(windowed, last - timedelta(minutes=1)) == (["10", "11"], ["08", "09"])


@given(st.integers(0, 10_000), st.sampled_from(["none", "latest", "all"]), st.integers(0, 30_000))
def test_every_fire_is_decided_exactly_once_however_often_it_is_looked_at(
    s: int, policy: str, jit: int
) -> None:
    schedule = Schedule(every_ms=60_000, catch_up=policy, jitter_ms=jit)
    anchor = NOW - timedelta(hours=2)
    once = look(schedule, key="k", anchor=anchor, last=anchor, now=NOW)
    middle = anchor + timedelta(seconds=s % 7200)
    first = look(schedule, key="k", anchor=anchor, last=anchor, now=middle)
    decided = [*first.due, *first.missed]
    second = look(schedule, key="k", anchor=anchor, last=max(decided, default=anchor), now=NOW)
    assert sorted([*decided, *second.due, *second.missed]) == sorted([*once.due, *once.missed])


def test_overlap_policies() -> None:
    assert may_start("skip", live=0, buffered=False) == "start"
    assert [may_start(p, live=1, buffered=False) for p in ("allow", "skip", "buffer-one", "cancel-previous")] == [
        "start", "skip", "buffer", "replace",
    ]  # fmt: skip


def test_a_backfill_includes_both_ends() -> None:
    since, until = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 1, 3, tzinfo=UTC)
    found = within(Schedule(cron="0 * * * *"), since, since=since, until=until)
    assert [fire.hour for fire in found] == [0, 1, 2, 3]
