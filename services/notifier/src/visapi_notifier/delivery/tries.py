"""Tries an effect until its outcome is known, within the time of its task.

Secrets are masked in every reading. Neither the claim nor the record of the effect is made here.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from math import inf

import msgspec

from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.backoff import full_jitter_s
from visapi_common.core.clocks import Clock
from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import Fault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.faults import Postponed
from visapi_notifier.delivery import rules as delivery
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.delivery.leases import Lease, LeaseKeeper
from visapi_notifier.delivery.rules import Ended, RetryLater
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading, Refused, Sent, Unclear, hidden_error

CLOCKS_APART_S = 0.02
"""Tolerance for a late event loop: this much of the task's time may seem to be left when a try times out."""
ANSWER_S = 0.05
"""How long before the end of a task's time the notifier gives up, so that its result still counts."""


class Tries:
    """The tries of all effects of the process. `draw` is random: it spreads the waits between tries."""

    def __init__(
        self, leases: LeaseKeeper, clock: Clock, metrics: Metrics, draw: Callable[[], float]
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._metrics = metrics
        self._draw = draw
        self._log = get_logger("deliveries")

    async def outcome(
        self, message: TaskMessage, effect: Effect, *, lease: Lease | None, repeatable: bool
    ) -> Ended | None:
        """The outcome; `None` when the lease was lost before a try, and nothing was sent.

        Raises `Postponed` as `Effect.attempt` does.
        """
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
        except Postponed:
            raise
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
