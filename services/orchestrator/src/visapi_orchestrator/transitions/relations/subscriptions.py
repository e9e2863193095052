"""Event subscriptions: one row per filter."""

from visapi_common.core.event_keys import shape_and_key
from visapi_orchestrator.transitions.relations.rows import Row, SmallInt
from visapi_orchestrator.transitions.rules.related import Family
from visapi_orchestrator.transitions.rules.snapshot import Facts


class SubscriptionRow(Row, frozen=True):
    """`n` numbers the filters of one task. `shape` names the attributes of a filter, `key` hashes their
    values.
    """

    path: str
    n: SmallInt
    tenant: str
    shape: str
    key: bytes


class SubscriptionKey(Row, frozen=True):
    path: str


def subscription_rows(facts: Facts, family: Family) -> list[SubscriptionRow]:
    return [
        SubscriptionRow(facts.run, command.path, n, facts.tenant, *shape_and_key(wanted))
        for command in family.subscribe
        for n, wanted in enumerate(command.filters)
    ]


def removed_subscriptions(facts: Facts, family: Family) -> list[SubscriptionKey]:
    return [SubscriptionKey(facts.run, path) for path in family.unsubscribe]
