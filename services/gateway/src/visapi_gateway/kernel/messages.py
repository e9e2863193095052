"""The gateway's NATS messages. Every published message may be lost: the committed rows count."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from visapi_common.adapters.bus import Bus, Message
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import InboxHint, Trigger
from visapi_common.core.errors import Fault, PermanentFault
from visapi_common.telemetry.logs import get_logger

_encode = msgspec.json.Encoder().encode


class Messages:
    """Publishes without waiting, and subscribes for the life of the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._log = get_logger("messages")

    @property
    def connected(self) -> bool:
        """Whether NATS is connected."""
        return self._bus.connected

    async def subscribe(self, subject: str, handler: Callable[[str, bytes], None]) -> None:
        """Call `handler` with the subject and body of each message."""

        def pass_on(message: Message) -> None:
            handler(message.subject, message.data)

        await self._bus.subscribe(subject, pass_on)

    def on_connection(self, changed: Callable[[], None]) -> None:
        """Call `changed` when the connection to NATS is lost or restored."""
        self._bus.on_reconnect(changed)
        self._bus.on_disconnect(changed)

    def trigger(self, trigger: Trigger) -> None:
        """Publish a committed run in full, so that its first transition needs no read."""
        headers = {"Nats-Msg-Id": str(trigger.run)}
        if trigger.trace:
            headers["traceparent"] = trigger.trace
        self.publish(subjects.trigger(trigger.run), _encode(trigger), headers)

    def hint(self, run: UUID) -> None:
        """Announce that rows of `inbox` wait for the run."""
        self.publish(subjects.inbox(run), _encode(InboxHint(run)))

    def events_arrived(self) -> None:
        """Announce that rows of `events_in` wait to be matched."""
        self.publish(subjects.CONTROL_EVENTS, b"")

    def replay_asked(self) -> None:
        """Announce that dead letters wait to be replayed."""
        self.publish(subjects.CONTROL_REPLAYS, b"")

    async def ask(self, subject: str, body: bytes, timeout_s: float) -> bytes:
        """The answer of another service. Raises `TransientFault` where none listens, and `UnknownFault` where
        none answers in time.
        """
        return (await self._bus.request(subject, body, timeout_s)).data

    def publish(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Publish, best effort."""
        try:
            self._bus.publish(subject, body, headers)
        except PermanentFault as refused:
            self._log.warning("not_published", subject=subject, error=str(refused))
        except Fault:
            # NATS is away: the orchestrator's sweep finds the row.
            return
