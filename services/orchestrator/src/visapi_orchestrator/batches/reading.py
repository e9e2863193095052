"""From deliveries to messages of runs: decode, verify tokens, separate heartbeats.

A message that cannot be read is terminated, because the ledger still has the row that it was about; some are
kept as dead letters (`batches.unreadable`). A result or a heartbeat without its task's token is dropped,
because nothing shows that the task's worker sent it. A result that carries its task's token, but whose output
or error cannot be read, faults that task.

A message in the format of a later release is not for this process. The ledger has the rows that triggers and
hints are about, and newer replicas find them there. A result is nowhere else, so it goes back to NATS until a
newer replica receives it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from visapi_common.contracts.engine_messages import (
    AnsweredAttempt,
    InboxHint,
    Outcome,
    TaskHeartbeat,
    TaskResult,
    Trigger,
)
from visapi_common.contracts.foreign import VALUE_DEPTH_MAX, NewerFormat, Reader, Unreadable, scraps
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.problems import standard_error
from visapi_common.core.effect_key import token_proves
from visapi_common.core.keyrings import Keyring
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.kernel.rules.messages import Receipt, RunMessages

RESULT_BYTES_MAX = 512 * 1024
"""An output of 64 KiB, or an error with texts and data of 64 KiB each; more lies in the artifact store."""
_SMALL_BYTES_MAX = 64 * 1024

NEWER_AGAIN_S = 5.0
NEWER_DELIVERIES_MAX = 120
"""How often, and for how long (10 minutes), a result in a newer format is left to newer replicas."""

NEWER_AT_ONCE = 256
"""The most results that this process leaves unacknowledged: a worker may only pretend to be newer. Beyond the
bound the task is sent again, under its effect key.
"""

_NEWEST = NEWEST.messages
_trigger = Reader(Trigger, depth_max=VALUE_DEPTH_MAX, nul=True, newest=_NEWEST)
_result = Reader(TaskResult, depth_max=VALUE_DEPTH_MAX, bytes_max=RESULT_BYTES_MAX, nul=True, newest=_NEWEST)
_answered = Reader(AnsweredAttempt)
_hint = Reader(InboxHint, bytes_max=_SMALL_BYTES_MAX, newest=_NEWEST)
_heartbeat = Reader(TaskHeartbeat, bytes_max=_SMALL_BYTES_MAX, newest=_NEWEST)


class Incoming(Receipt, Protocol):
    """A delivery from `ENGINE`."""

    subject: str
    data: bytes

    @property
    def deliveries(self) -> int: ...
    def term(self, reason: str = "") -> None: ...


class Intake:
    """See the module's docstring. `beat` is called with each accepted heartbeat, `unreadable` with the
    subject and bytes of each message that cannot be read, and the reason.
    """

    def __init__(
        self,
        *,
        keys: Keyring,
        metrics: Metrics,
        beat: Callable[[TaskHeartbeat], None],
        unreadable: Callable[[str, bytes, str], None],
    ) -> None:
        self._keys = keys
        self._metrics = metrics
        self._beat = beat
        self._unreadable = unreadable
        self._left: deque[float] = deque()
        self._log = get_logger("intake")

    def read(self, deliveries: Iterable[Incoming]) -> list[RunMessages]:
        """The messages of the deliveries; deliveries without one are acknowledged here."""
        messages: list[RunMessages] = []
        counts: dict[str, int] = {}
        for delivery in deliveries:
            kind = delivery.subject.rpartition(".")[2]
            kind = kind if kind in _KINDS else "other"
            counts[kind] = counts.get(kind, 0) + 1
            one = self._read(kind, delivery)
            if isinstance(one, NewerFormat):
                self._leave(kind, delivery, one)
            elif isinstance(one, Unreadable):
                self._terminate(kind, delivery, one)
            elif one is None:
                delivery.ack()
            else:
                one.receipts.append(delivery)
                messages.append(one)
        for kind, count in counts.items():
            self._metrics.engine_messages.labels(kind).inc(count)
        return messages

    def _terminate(self, kind: str, delivery: Incoming, unreadable: Unreadable) -> None:
        self._log.error("message_unreadable", subject=delivery.subject, detail=unreadable.reason)
        self._metrics.messages_unreadable.labels(kind).inc()
        self._unreadable(delivery.subject, delivery.data, unreadable.reason)
        delivery.term("unreadable")

    def _leave(self, kind: str, delivery: Incoming, newer: NewerFormat) -> None:
        self._log.warning("message_of_newer_release", subject=delivery.subject, detail=newer.reason)
        self._metrics.messages_stale.labels("newer").inc()
        if kind == "result" and self._has_room():
            delivery.nak(NEWER_AGAIN_S)
        else:
            delivery.term("newer")

    def _has_room(self) -> bool:
        """Whether one more result may wait for its next delivery."""
        now = time.monotonic()
        while self._left and now - self._left[0] > NEWER_AGAIN_S:
            self._left.popleft()
        if len(self._left) >= NEWER_AT_ONCE:
            return False
        self._left.append(now)
        return True

    def _read(self, kind: str, delivery: Incoming) -> RunMessages | Unreadable | None:
        match kind:
            case "trigger":
                trigger = _trigger(delivery.data)
                return (
                    trigger if isinstance(trigger, Unreadable) else RunMessages(trigger.run, trigger=trigger)
                )
            case "result":
                return self._read_result(delivery)
            case "inbox":
                hint = _hint(delivery.data)
                return hint if isinstance(hint, Unreadable) else RunMessages(hint.run, has_waiting_rows=True)
            case "heartbeat":
                heartbeat = _heartbeat(delivery.data)
                if isinstance(heartbeat, Unreadable):
                    return heartbeat
                if self._believed(heartbeat):
                    self._beat(heartbeat)
                return None
            case _:
                return None

    def _read_result(self, delivery: Incoming) -> RunMessages | Unreadable | None:
        result = _result(delivery.data)
        if isinstance(result, Unreadable):
            answered = self._answered_by(delivery.data)
            if answered is None:
                return Unreadable(result.reason)
            if isinstance(result, NewerFormat) and delivery.deliveries < NEWER_DELIVERIES_MAX:
                return result
            self._log.error("result_unreadable", run=str(answered.run), detail=result.reason)
            self._metrics.messages_unreadable.labels("result").inc()
            return RunMessages(answered.run, results=[_unreadable_result(answered, result.reason)])
        return RunMessages(result.run, results=[result]) if self._believed(result) else None

    def _answered_by(self, data: bytes) -> AnsweredAttempt | None:
        """The attempt that an unreadable result answers, as its token proves."""
        for scrap in scraps(data, *AnsweredAttempt.__struct_fields__):
            answered = _answered(scrap)
            if not isinstance(answered, Unreadable) and self._proves(answered):
                return answered
        return None

    def _proves(self, message: TaskResult | TaskHeartbeat | AnsweredAttempt) -> bool:
        return token_proves(self._keys, message.run, message.path, message.attempt, given=message.token)

    def _believed(self, message: TaskResult | TaskHeartbeat) -> bool:
        if self._proves(message):
            return True
        self._metrics.messages_stale.labels("token").inc()
        self._log.warning("token_wrong", run=str(message.run), task=message.path)
        return False


def _unreadable_result(answered: AnsweredAttempt, reason: str) -> TaskResult:
    """The fault that replaces an unreadable result."""
    detail = f"the worker's answer cannot be read: {reason}; whether its effect happened is not known from it"
    error = standard_error("runtime", 500, title="Unreadable answer", detail=detail)
    held = answered.outcome == Outcome.UNCERTAIN
    outcome = Outcome.UNCERTAIN if held else Outcome.FAULTED
    return TaskResult(answered.run, answered.path, answered.attempt, answered.token, outcome, error=error)


_KINDS = frozenset({"trigger", "result", "inbox", "heartbeat"})
