"""Event subscriptions: one row per filter."""

from visapi_common.core.event_keys import shape_and_key
from visapi_common.core.named_rows import SmallInt
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.related_writes import RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot


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


def subscription_rows(snapshot: RunSnapshot, related: RelatedWrites) -> list[SubscriptionRow]:
    return [
        SubscriptionRow(snapshot.run, command.path, n, snapshot.tenant, *shape_and_key(wanted))
        for command in related.subscribe
        for n, wanted in enumerate(command.filters)
    ]


def removed_subscriptions(snapshot: RunSnapshot, related: RelatedWrites) -> list[SubscriptionKey]:
    return [SubscriptionKey(snapshot.run, path) for path in related.unsubscribe]
