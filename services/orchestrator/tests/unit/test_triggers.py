"""Triggers wait in turns among tenants, in bounded room; what is let go is acknowledged, never lost."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec

from kit.fakes.deliveries import FakeDelivery, FakeSource
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_common.contracts.payloads import inline
from visapi_common.core.keyrings import Keyring
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.setup import open_metrics
from visapi_orchestrator.batches.reading import Intake
from visapi_orchestrator.batches.triggers import QUEUE_MAX, Triggers


class Delivered(FakeDelivery):
    """A delivery of a trigger."""

    def __init__(self, tenant: str, text: bytes = b"{}") -> None:
        self.run = uuid4()
        trigger = Trigger(
            run=self.run,
            tenant=tenant,
            workflow=WorkflowRef("n", "w", "1.0.0"),
            program="00",
            input=inline(text),
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        super().__init__(subjects.trigger(self.run), msgspec.json.encode(trigger))


def queue(*deliveries: Delivered, metrics: Metrics | None = None) -> tuple[Triggers, FakeSource]:
    source, metrics = FakeSource(), metrics or open_metrics()
    source.arrive(*deliveries)
    return Triggers(
        source,
        Intake(keys=Keyring.of(b"k"), metrics=metrics, beat=lambda _: None, unreadable=lambda *_: None),
        metrics,
    ), source


def runs(triggers: Triggers, limit: int) -> list[UUID]:
    return [messages.run for messages in triggers.take(limit)]


def test_what_is_taken_at_once_is_acknowledged_when_it_is_written() -> None:
    delivered = Delivered("a")
    triggers, _ = queue(delivered)
    (messages,) = triggers.take(8)
    assert (messages.receipts, delivered.fate) == ([delivered], [])


def test_what_waits_is_acknowledged_as_the_ledger_has_it() -> None:
    first, second = Delivered("a"), Delivered("a")
    triggers, _ = queue(first, second)
    assert runs(triggers, 1) == [first.run]
    assert (first.fate, second.fate, triggers.waiting) == ([], ["ack"], 1)
    (messages,) = triggers.take(1)
    assert (messages.run, messages.receipts, messages.has_waiting_rows) == (second.run, [], False)


def test_of_a_run_with_a_long_input_only_the_id_waits() -> None:
    triggers, _ = queue(Delivered("a"), Delivered("a", b'"%b"' % (b"x" * 5000)))
    triggers.take(1)
    (messages,) = triggers.take(1)
    assert (messages.trigger, messages.has_waiting_rows) == (None, True)


def test_the_tenant_that_has_most_is_let_go_and_never_the_one_that_comes_later() -> None:
    big = [Delivered("big") for _ in range(QUEUE_MAX)]
    metrics = open_metrics()
    triggers, source = queue(*big, metrics=metrics)
    triggers.take(8)
    small = Delivered("small")
    source.arrive(*(Delivered("big") for _ in range(100)), small)
    assert small.run in runs(triggers, 2)
    deferred = 100 + 1 - 2 - 8
    assert (triggers.waiting, triggers.deferred) == (QUEUE_MAX, deferred)
    assert metrics.registry.get_sample_value("visapi_triggers_deferred_total") == deferred


def test_pending_runs_from_the_ledger_stand_in_the_same_turns() -> None:
    triggers, source = queue(*(Delivered("a") for _ in range(10)))
    triggers.take(1)
    run = uuid4()
    triggers.put([("b", run)])
    assert run in runs(triggers, 2)
    assert source.waiting == 0
