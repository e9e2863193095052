"""From deliveries to what they say: decode, verify tokens, sort out heartbeats.

A message nobody can read is terminated (the ledger still has what it was about); a result or a
heartbeat without its task's token is dropped (DESIGN section 6, NATS).
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from visapi_common.contracts.engine_messages import InboxHint, TaskHeartbeat, TaskResult, Trigger
from visapi_common.core.effect_key import task_token, token_matches
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.core.said import Receipt, Said

_trigger = msgspec.json.Decoder(Trigger).decode
_result = msgspec.json.Decoder(TaskResult).decode
_hint = msgspec.json.Decoder(InboxHint).decode
_heartbeat = msgspec.json.Decoder(TaskHeartbeat).decode


class Incoming(Receipt, Protocol):
    """A delivery from `ENGINE`."""

    subject: str
    data: bytes

    def term(self, reason: str = "") -> None: ...


class Intake:
    """See the module's docstring. `beat` is given each believed heartbeat."""

    def __init__(self, *, secret: bytes, metrics: Metrics, beat: Callable[[TaskHeartbeat], None]) -> None:
        self._secret = secret
        self._metrics = metrics
        self._beat = beat
        self._log = get_logger("intake")

    def read(self, deliveries: Iterable[Incoming]) -> list[Said]:
        """What the deliveries say; those that say nothing are acknowledged here."""
        said: list[Said] = []
        counts: dict[str, int] = {}
        for delivery in deliveries:
            kind = delivery.subject.rpartition(".")[2]
            counts[kind] = counts.get(kind, 0) + 1
            try:
                one = self._read(kind, delivery)
            except msgspec.DecodeError as error:
                self._log.error("message_unreadable", subject=delivery.subject, detail=str(error))
                self._metrics.messages_stale.labels("unknown").inc()
                delivery.term("unreadable")
                continue
            if one is None:
                delivery.ack()
            else:
                one.receipts.append(delivery)
                said.append(one)
        for kind, count in counts.items():
            self._metrics.engine_messages.labels(kind if kind in _KINDS else "other").inc(count)
        return said

    def _read(self, kind: str, delivery: Incoming) -> Said | None:
        match kind:
            case "trigger":
                trigger = _trigger(delivery.data)
                return Said(trigger.run, trigger=trigger)
            case "result":
                result = _result(delivery.data)
                if self._believed(result):
                    return Said(result.run, results=[result])
                return None
            case "inbox":
                return Said(_hint(delivery.data).run, look=True)
            case "heartbeat":
                heartbeat = _heartbeat(delivery.data)
                if self._believed(heartbeat):
                    self._beat(heartbeat)
                return None
            case _:
                return None

    def _believed(self, message: TaskResult | TaskHeartbeat) -> bool:
        try:
            expected = task_token(self._secret, message.run, message.path, message.attempt)
        except (OverflowError, UnicodeEncodeError):
            expected = ""
        if expected and message.token.isascii() and token_matches(expected, message.token):
            return True
        self._metrics.messages_stale.labels("token").inc()
        self._log.warning("token_wrong", run=str(message.run), task=message.path)
        return False


_KINDS = frozenset({"trigger", "result", "inbox", "heartbeat"})
