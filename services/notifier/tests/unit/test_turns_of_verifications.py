"""A tenant has two verifications under way and begins 20 in a minute; others are not made to wait for it."""

from visapi_notifier.accounts.turns import AT_ONCE, AT_ONCE_PER_TENANT, PER_MINUTE, Full, Turns


def test_a_tenant_has_a_few_at_once_and_others_have_theirs() -> None:
    turns = Turns()
    assert [turns.take("a", 0.0) for _ in range(AT_ONCE_PER_TENANT)] == [None] * AT_ONCE_PER_TENANT
    full = turns.take("a", 0.0)
    assert full is not None
    assert (full.why, full.wait_s > 0) == ("tenant_busy", True)
    assert turns.take("b", 0.0) is None
    turns.give_back("a")
    assert turns.take("a", 0.0) is None


def test_a_tenant_begins_so_many_in_a_minute() -> None:
    turns = Turns()
    for number in range(PER_MINUTE):
        assert turns.take("a", float(number)) is None
        turns.give_back("a")
    assert turns.take("a", 30.0) == Full("tenant_busy", 30.0)
    assert turns.take("b", 30.0) is None
    assert turns.take("a", 60.0) is None


def test_all_tenants_together_have_a_bound() -> None:
    turns = Turns()
    taken = [turns.take(f"t{number}", 0.0) for number in range(AT_ONCE + 1)]
    assert taken[:-1] == [None] * AT_ONCE
    assert [one and one.why for one in taken[-1:]] == ["notifier_busy"]
