"""Delivers one outbound effect under its key: claim, try, record, return the result.

`started` is committed before anything is sent. A later delivery that finds `started` with an expired lease
knows that the effect may have happened, and holds it unless a repetition is safe.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Literal, Protocol

import msgspec

from visapi_common.contracts.payloads import Encoded
from visapi_common.contracts.task_messages import OnUncertain, TaskMessage
from visapi_common.core.backoff import full_jitter_s
from visapi_common.core.clocks import Clock
from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import Fault, TransientFault, UnknownFault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.faults import Postponed
from visapi_notifier.delivery import rules as delivery
from visapi_notifier.delivery.leases import Lease, LeaseKeeper
from visapi_notifier.delivery.rules import (
    Busy,
    DeliveryState,
    Ended,
    Held,
    LeaseGranted,
    Record,
    Recorded,
    RetryLater,
    Start,
    Verdict,
)
from visapi_notifier.delivery.serving import HiddenFault, Known
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import (
    Reading,
    Refused,
    Sent,
    Unclear,
    communication,
    hidden_error,
)

LEDGER_RETRY_S = 1.0
RECORDING_S = 5.0
"""How long recording an outcome is retried; afterwards the result is published without the record."""
CLOCKS_APART_S = 0.02
"""Tolerance for a late event loop: this much of the task's time may seem to be left when a try times out."""
CHECKED_BY_KIT_BYTES = 512 * 1024
"""Of a recorded outcome: as much as an answer read in the event loop can grow to, its texts escaped."""
ANSWER_S = 0.05
"""How long before the end of a task's time the notifier gives up, so that its result still counts."""


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

    async def read(self, tenant: str, record: bytes) -> bytes:
        """The JSON of a recorded outcome, from the row or the artifact store. Raises `Fault`."""
        ...


@dataclass(frozen=True, slots=True)
class Time:
    """What a try may take. `chosen`: by the task's own timeout, which takes the place of every default.
    `left_s` is what the task, and what is around it, leave for the try and everything after it.
    """

    limit_s: float
    chosen: bool = False
    left_s: float = inf


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect to deliver. `attempt(time)` is one try and raises faults.

    `keyed` says that the receiver recognises a repetition; `recorded` is false for requests
    without any effect, which need no ledger. `mask` knows the secrets that must not come back.
    """

    channel: str
    attempt: Callable[[Time], Awaitable[Reading]]
    keyed: bool = False
    recorded: bool = True
    unsent: Any = None
    """The output in a test run, whose effects are not carried out."""
    delivered_as: Literal["sent", "sunk"] = "sent"
    """How its success is counted."""
    timeout_s: float = 30.0
    """The default timeout of a try, where the task has none."""
    mask: Mask = field(default_factory=Mask)


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
            effect = _sunk(effect)
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
                    ended = await self._tries(message, effect, lease=lease, repeatable=repeatable)
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
        ended = await self._tries(message, effect, lease=None, repeatable=True)
        assert ended is not None, "without a lease none can be lost"
        return ended

    async def _tries(
        self, message: TaskMessage, effect: Effect, *, lease: Lease | None, repeatable: bool
    ) -> Ended | None:
        """The outcome; `None` when the lease was lost before a try, and nothing was sent."""
        give_up = self._clock.monotonic() + delivery.IN_PROCESS_S
        tries = 0
        while True:
            if lease is not None and not self._leases.valid(lease):
                return None
            tries += 1
            after = await self._one_try(message, effect, repeatable=repeatable, tries=tries)
            if isinstance(after, Ended):
                return after
            late = after.delay_s >= self._time(message, effect).limit_s
            if late or self._clock.monotonic() + after.delay_s > give_up:
                return after.otherwise
            await asyncio.sleep(after.delay_s)

    async def _one_try(
        self, message: TaskMessage, effect: Effect, *, repeatable: bool, tries: int
    ) -> Ended | RetryLater:
        backoff_s = full_jitter_s(
            tries, base_s=delivery.BACKOFF_BASE_S, cap_s=delivery.BACKOFF_CAP_S, draw=self._draw()
        )
        began = self._clock.monotonic()
        time = self._time(message, effect)
        if time.limit_s <= 0:
            return delivery.out_of_time(None, repeatable=repeatable)
        try:
            reading = await self._hidden(effect.mask, await effect.attempt(time))
        except Fault as fault:
            if isinstance(fault, EgressRefused):
                self.note_refusal(fault)
            if self._time(message, effect).limit_s <= CLOCKS_APART_S:
                return delivery.out_of_time(fault, repeatable=repeatable)
            return self._masked(
                effect, delivery.after_fault(fault, repeatable=repeatable, backoff_s=backoff_s)
            )
        except Exception as bug:  # noqa: BLE001 (a started effect needs a record and a result after any failure)
            self._log.error("attempt_failed", exc_info=bug)
            return delivery.after_bug(bug, repeatable=repeatable)
        finally:
            self._metrics.delivery_seconds.labels(channel=effect.channel).observe(
                self._clock.monotonic() - began
            )
        return delivery.after_reading(reading, repeatable=repeatable, backoff_s=backoff_s)

    async def _hidden(self, mask: Mask, reading: Reading) -> Reading:
        """The reading without secrets, and such that it can be recorded. Large ones take a while."""
        match reading:
            case Sent(hidden=True) | Refused(hidden=True):
                return reading
            case Sent(output):
                hidden = await asyncio.to_thread(mask.hide, output) if mask.used else output
                msgspec.json.encode(hidden)
                return Sent(hidden)
            case Refused(error, advice):
                return Refused(hidden_error(error, mask), advice)
            case Unclear(detail):
                return Unclear(mask.hide(detail))

    def _masked(self, effect: Effect, after: Ended | RetryLater) -> Ended | RetryLater:
        if isinstance(after, RetryLater):
            return replace(after, otherwise=self._without_secrets(effect, after.otherwise))
        return self._without_secrets(effect, after)

    def _without_secrets(self, effect: Effect, ended: Ended) -> Ended:
        error = None if ended.error is None else hidden_error(ended.error, effect.mask)
        return replace(ended, error=error)

    def note_refusal(self, refused: EgressRefused) -> None:
        """Count a refusal by the egress guard, and log its destination for the operator."""
        self._metrics.egress_refused.labels(reason=refused.reason).inc()
        if refused.internal:
            self._log.warning("egress_refused", reason=refused.reason, destination=refused.internal)

    def _time(self, message: TaskMessage, effect: Effect) -> Time:
        """What is left: of the task's own timeout, else of the default; never more than of any around it."""
        now = self._clock.now()
        own, around = (
            inf if ends is None else (ends - now).total_seconds() - ANSWER_S
            for ends in (message.own_deadline, message.deadline)
        )
        chosen = message.own_deadline is not None
        return Time(min(own if chosen else effect.timeout_s, around), chosen, min(own, around))

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


def _sunk(effect: Effect) -> Effect:
    """The effect in a test run: recorded and answered, but not carried out."""

    async def attempt(_: Time) -> Reading:
        return Sent(effect.unsent)

    return replace(effect, attempt=attempt, delivered_as="sunk")


def _encode_record(ended: Ended) -> bytes:
    if ended.state is DeliveryState.SENT:
        output = ended.output
        json = output.json if isinstance(output, Encoded) else msgspec.json.encode(output)
        return msgspec.json.encode(Record(output=msgspec.Raw(json)))
    return msgspec.json.encode(Record(error=ended.error))
