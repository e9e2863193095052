"""Which tenants have used little of the orchestrator lately."""

import pytest

from visapi_orchestrator.kernel.rules.usage import Usage


class Time:
    now_s = 100.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def usage(time: Time) -> Usage:
    return Usage(lambda: time.now_s)


def test_a_tenant_alone_has_not_used_little(usage: Usage) -> None:
    assert not usage.is_little("one")
    usage.note(["one"])
    assert not usage.is_little("one")


def test_beside_a_greedy_tenant_the_others_have_used_little(usage: Usage) -> None:
    usage.note(["greedy"] * 100 + ["other"] * 10)
    assert usage.is_little("other")
    assert usage.is_little("new")
    assert not usage.is_little("greedy")


def test_of_tenants_that_use_the_same_none_has_used_little(usage: Usage) -> None:
    usage.note(["a", "b", "c", "d"] * 10)
    assert not any(map(usage.is_little, "abcd"))


def test_what_was_long_ago_does_not_count(usage: Usage, time: Time) -> None:
    usage.note(["greedy"] * 100)
    time.now_s += 1.5
    usage.note(["other"] * 10)
    assert usage.is_little("other")
    time.now_s += 1.5
    usage.note(["other"])
    assert not usage.is_little("other")
    time.now_s += 10
    assert not usage.is_little("other")
