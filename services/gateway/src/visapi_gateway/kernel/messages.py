"""What the gateway says and hears on NATS. Everything it says may be lost: the rows are the promise."""

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
    """Publishes without waiting, and subscribes for as long as the bus lives."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._log = get_logger("messages")

    @property
    def connected(self) -> bool:
        """Whether NATS is there."""
        return self._bus.connected

    async def hear(self, subject: str, heard: Callable[[str, bytes], None]) -> None:
        """Call `heard` with subject and body of each message."""

        def pass_on(message: Message) -> None:
            heard(message.subject, message.data)

        await self._bus.subscribe(subject, pass_on)

    def on_connection(self, changed: Callable[[], None]) -> None:
        """Call `changed` when NATS goes away and when it is back."""
        self._bus.on_reconnect(changed)
        self._bus.on_disconnect(changed)

    def trigger(self, trigger: Trigger) -> None:
        """A committed run, whole, so that its first transition reads nothing."""
        headers = {"Nats-Msg-Id": str(trigger.run)}
        if trigger.trace:
            headers["traceparent"] = trigger.trace
        self.say(subjects.trigger(trigger.run), _encode(trigger), headers)

    def hint(self, run: UUID) -> None:
        """Rows of `inbox` wait for the run."""
        self.say(subjects.inbox(run), _encode(InboxHint(run)))

    def events_arrived(self) -> None:
        """Rows of `events_in` wait to be matched."""
        self.say(subjects.CONTROL_EVENTS, b"")

    def replay_asked(self) -> None:
        """Dead letters wait to be put back."""
        self.say(subjects.CONTROL_REPLAYS, b"")

    def say(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        """Publish, best effort."""
        try:
            self._bus.publish(subject, body, headers)
        except PermanentFault as refused:
            self._log.warning("not_published", subject=subject, error=str(refused))
        except Fault:
            # NATS is away: the orchestrator's sweep finds the row.
            return
