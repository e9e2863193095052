"""A task that fails before its delivery: what the ledger knows of its effect is answered, not the failure."""

from typing import Any

import msgspec
import pytest

from kit.fakes.clocks import FakeClock
from visapi_common.adapters.clock import RandomIds
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import inline
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.errors import ProblemError, TransientFault, UnknownFault
from visapi_common.telemetry.setup import open_metrics
from visapi_common.worker.context import TaskContext
from visapi_common.worker.faults import Postponed
from visapi_notifier import channels
from visapi_notifier.delivery.deliver import Deliverer
from visapi_notifier.delivery.leases import LeaseKeeper
from visapi_notifier.delivery.rules import (
    Busy,
    DeliveryState,
    Held,
    LeaseGranted,
    Record,
    Recorded,
    Start,
    Verdict,
)
from visapi_notifier.delivery.serving import HiddenFault, served
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import communication

TASK = TaskMessage(
    run=RandomIds().uuid7(), path="/do/0/a", attempt=1, tenant="acme", function="notify.email",
    workflow=WorkflowRef("a", "b", "1.0.0"), name="a", pointer="/do/0/a", input=inline(b"null"),
    effect_key="k" * 64, token="t", reply="r",
)  # fmt: skip


class Ledger:
    """Knows one verdict, and starts nothing."""

    def __init__(self, verdict: Verdict | Exception) -> None:
        self.verdict = verdict

    async def known(self, start: Start) -> Verdict:
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict

    async def start(self, start: Start) -> Verdict:
        raise AssertionError("nothing may start")

    async def finish(self, start: Start, state: DeliveryState, record: bytes) -> None:
        raise AssertionError("nothing may end")

    async def read(self, tenant: str, record: bytes) -> bytes:
        return record

    async def renew(self, leases: Any) -> set[str]:
        return set()


async def account_is_gone(given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
    raise ProblemError("not_found", "there is no account news", status=404)


async def answered(verdict: Verdict | Exception) -> Any:
    ledger, clock = Ledger(verdict), FakeClock()
    deliverer = Deliverer(
        ledger, LeaseKeeper(ledger, clock), clock, open_metrics(), new_owner=lambda: "o", draw=lambda: 0.0
    )

    async def ask(message: TaskMessage) -> Any:
        return await deliverer.known(message, "email", repeatable=False)

    return await served(account_is_gone, Mask(), ask)(msgspec.Raw(b"{}"), TaskContext(TASK, clock.now()))


async def test_a_sent_effect_whose_account_is_gone_answers_the_recorded_output() -> None:
    record = msgspec.json.encode(Record(output=msgspec.Raw(b'{"message_id":"1"}')))
    output = await answered(Recorded(DeliveryState.SENT, record))
    assert msgspec.json.encode(output) == b'{"message_id":"1"}'


async def test_a_failed_effect_whose_account_is_gone_answers_the_recorded_error() -> None:
    record = msgspec.json.encode(Record(error=communication(550, "Refused", "no such mailbox")))
    with pytest.raises(HiddenFault) as fault:
        await answered(Recorded(DeliveryState.FAILED, record))
    assert fault.value.error.status == 550


async def test_a_started_effect_whose_account_is_gone_is_held() -> None:
    with pytest.raises(UnknownFault, match="its outcome is unknown"):
        await answered(Held())


@pytest.mark.parametrize("verdict", [Busy(2.0), TransientFault("PostgreSQL is away")])
async def test_while_the_effect_is_under_way_or_nobody_can_tell_the_task_is_postponed(verdict: Any) -> None:
    with pytest.raises(Postponed):
        await answered(verdict)


async def test_an_effect_that_never_started_fails_as_it_did() -> None:
    with pytest.raises(ProblemError, match="there is no account news"):
        await answered(LeaseGranted())


def test_only_channels_whose_requests_are_never_keyed_hold_what_cannot_be_read() -> None:
    held = {channel.label for channel in channels.declared().values() if not channel.may_repeat}
    assert held == {"email", "slack"}
