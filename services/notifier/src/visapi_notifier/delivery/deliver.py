"""Delivers one outbound effect under its key: claim, try, record, return the result.

`started` is committed before anything is sent. A later delivery that finds `started` with an expired lease
knows that the effect may have happened, and holds it unless a repetition is safe.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from visapi_common.contracts.payloads import Encoded
from visapi_common.contracts.task_messages import OnUncertain, TaskMessage
from visapi_common.core.clocks import Clock
from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import Fault, TransientFault, UnknownFault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.faults import Postponed
from visapi_notifier.delivery.effects import Effect, sunk
from visapi_notifier.delivery.leases import LeaseKeeper
from visapi_notifier.delivery.rules import (
    Busy,
    DeliveryState,
    Ended,
    Held,
    LeaseGranted,
    Record,
    Recorded,
    Start,
    Verdict,
)
from visapi_notifier.delivery.serving import HiddenFault, Known
from visapi_notifier.delivery.tries import Tries
from visapi_notifier.outbound.rules.reading import (
    communication,
)

LEDGER_RETRY_S = 1.0
RECORDING_S = 5.0
"""How long recording an outcome is retried; afterwards the result is published without the record."""
CHECKED_BY_KIT_BYTES = 512 * 1024
"""Of a recorded outcome: as much as an answer read in the event loop can grow to, its texts escaped."""


class Ledger(Protocol):
    """The ledger of deliveries by effect key."""

    async def start(self, start: Start) -> Verdict:
        """Record `started`, or return why it cannot start. Raises `TransientFault` or `UnknownFault`."""
        ...

    async def known(self, start: Start) -> Verdict:
        """What `start` would answer; records nothing. Raises `TransientFault`."""
        ...

    async def finish(self, start: Start, state: DeliveryState, record: bytes) -> None:
        """Record the outcome. Idempotent. Raises `Fault`."""
        ...

    async def give_back(self, start: Start, record: bytes) -> None:
        """End a start under which nothing was sent: the same attempt may start again, in any process. An
        earlier attempt gets `record`. Raises `Fault`.
        """
        ...

    async def read(self, tenant: str, record: bytes) -> bytes:
        """The JSON of a recorded outcome, from the row or the artifact store. Raises `Fault`."""
        ...


class Deliverer:
    """Delivers effects. Shared by all functions of the process."""

    def __init__(
        self,
        ledger: Ledger,
        leases: LeaseKeeper,
        clock: Clock,
        metrics: Metrics,
        *,
        new_owner: Callable[[], str],
        draw: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._leases = leases
        self._clock = clock
        self._metrics = metrics
        self._new_owner = new_owner
        self._draw = draw
        self._tries = Tries(leases, clock, metrics, draw)
        self._unused: dict[str, str] = {}
        """Owners, by effect key, of starts that are or may be recorded and under which nothing was sent yet:
        a later start with the same owner continues its own start."""
        self._log = get_logger("deliveries")

    async def deliver(self, message: TaskMessage, effect: Effect) -> Any:
        """The effect's output.

        Raises `TaskFault` (it did not happen), `UnknownFault` (held) or `Postponed`.
        """
        if not effect.recorded:
            return self._answer(message, effect, await self.read(message, effect))
        if message.test:
            effect = sunk(effect)
        repeatable = effect.keyed or message.on_uncertain is OnUncertain.RETRY
        owner = self._unused.pop(message.effect_key, None) or self._new_owner()
        start = Start(message, repeatable, owner)
        asked_at = self._clock.monotonic()
        try:
            verdict = await self._ledger.start(start)
        except (TransientFault, UnknownFault) as fault:
            self._log.warning("ledger_unavailable", detail=str(fault))
            self._unused[message.effect_key] = owner
            raise Postponed(LEDGER_RETRY_S) from fault
        match verdict:
            case LeaseGranted():
                with self._leases.holding(message.effect_key, start.owner, asked_at) as lease:
                    try:
                        ended = await self._tries.outcome(message, effect, lease=lease, repeatable=repeatable)
                    except Postponed:
                        await self._give_back(start)
                        self._count(effect.channel, "postponed")
                        raise
                    if ended is None:
                        self._unused[message.effect_key] = owner
                        self._count(effect.channel, "postponed")
                        raise Postponed(LEDGER_RETRY_S)
                    await self._record(start, ended)
                return self._answer(message, effect, ended)
            case _:
                return await self._earlier(message, effect.channel, verdict)

    async def known(
        self, message: TaskMessage, channel: str, *, repeatable: bool, varies: bool = False
    ) -> Known | None:
        """What an earlier delivery did; `None` where nothing was sent, or where a repetition is safe.

        For a task that fails before `deliver`. Starts nothing. Raises what `deliver` raises.
        """
        repeatable = repeatable or message.on_uncertain is OnUncertain.RETRY
        start = Start(message, repeatable, self._unused.get(message.effect_key, ""), varies)
        try:
            verdict = await self._ledger.known(start)
        except (TransientFault, UnknownFault) as fault:
            raise Postponed(LEDGER_RETRY_S) from fault
        if isinstance(verdict, LeaseGranted):
            return None
        return Known(await self._earlier(message, channel, verdict))

    async def _earlier(self, message: TaskMessage, channel: str, verdict: Recorded | Busy | Held) -> Any:
        match verdict:
            case Recorded():
                self._count(channel, "replayed")
                return await self._replay(message, verdict)
            case Busy(delay_s):
                self._count(channel, "postponed")
                raise Postponed(delay_s)
            case Held():
                raise self._held(channel, message, "it was started before and its outcome is unknown")

    async def read(self, message: TaskMessage, effect: Effect) -> Ended:
        """The outcome of a request without an effect, which is never unknown."""
        ended = await self._tries.outcome(message, effect, lease=None, repeatable=True)
        assert ended is not None, "without a lease none can be lost"
        return ended

    def note_refusal(self, refused: EgressRefused) -> None:
        """As `Tries.note_refusal`."""
        self._tries.note_refusal(refused)

    async def _record(self, start: Start, ended: Ended) -> None:
        record = _encode_record(ended)
        give_up = self._clock.monotonic() + RECORDING_S
        while True:
            try:
                await self._ledger.finish(start, ended.state, record)
                return
            except Fault as fault:
                if self._clock.monotonic() > give_up:
                    self._log.error("outcome_not_recorded", state=ended.state.value, detail=str(fault))
                    return
            await asyncio.sleep(LEDGER_RETRY_S * self._draw())

    async def _give_back(self, start: Start) -> None:
        """Any process may continue: the operator mends the fault with a restart."""
        error = communication(503, "Not delivered", "the attempt waited for the operator; nothing was sent")
        record = msgspec.json.encode(Record(error=error))
        try:
            await self._ledger.give_back(start, record)
        except Fault as fault:
            self._log.warning("start_not_given_back", detail=str(fault))
            self._unused[start.message.effect_key] = start.owner

    async def _replay(self, message: TaskMessage, recorded: Recorded) -> Any:
        try:
            raw = await self._ledger.read(message.tenant, recorded.record)
        except (TransientFault, UnknownFault) as fault:
            raise Postponed(LEDGER_RETRY_S) from fault
        record = msgspec.json.decode(raw, type=Record)
        if recorded.state is DeliveryState.SENT:
            if record.output is msgspec.UNSET:
                return None
            # What a process made is larger, and its depth was looked at there.
            small = len(raw) <= CHECKED_BY_KIT_BYTES
            return record.output if small else Encoded(bytes(record.output))
        raise HiddenFault(record.error or communication(502, "Not deliverable", "recorded without a reason"))

    def _answer(self, message: TaskMessage, effect: Effect, ended: Ended) -> Any:
        if ended.state is DeliveryState.SENT:
            self._count(effect.channel, effect.delivered_as)
            return ended.output
        assert ended.error is not None
        if ended.state is DeliveryState.UNCERTAIN and not ended.out_of_time:
            raise self._held(effect.channel, message, ended.error.detail or "")
        self._count(effect.channel, "uncertain" if ended.state is DeliveryState.UNCERTAIN else "failed")
        raise HiddenFault(ended.error)

    def _held(self, channel: str, message: TaskMessage, detail: str) -> UnknownFault:
        self._count(channel, "uncertain")
        self._metrics.uncertain_held.labels(function=message.function).inc()
        self._log.warning("held", channel=channel, attempt=message.attempt, detail=detail)
        return UnknownFault(f"{channel}: {detail}; decide whether it happened (`visapi dead-letter resolve`)")

    def _count(self, channel: str, outcome: str) -> None:
        self._metrics.deliveries.labels(channel=channel, outcome=outcome).inc()


def _encode_record(ended: Ended) -> bytes:
    if ended.state is DeliveryState.SENT:
        output = ended.output
        json = output.json if isinstance(output, Encoded) else msgspec.json.encode(output)
        return msgspec.json.encode(Record(output=msgspec.Raw(json)))
    return msgspec.json.encode(Record(error=ended.error))
