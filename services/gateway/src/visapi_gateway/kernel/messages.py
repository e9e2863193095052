"""What the gateway says and hears on NATS. Everything it says may be lost: the rows are the promise."""

from uuid import UUID

import msgspec

from visapi_common.adapters.bus import Bus, Message
from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import InboxHint, Trigger, WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_common.core.errors import Fault, PermanentFault
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.kernel.access.authentication import KeyRing
from visapi_gateway.runs.reading.live import LiveHub
from visapi_gateway.runs.starting.accepting import NewRun

_encode = msgspec.json.Encoder().encode
_payload = msgspec.json.Decoder(Payload).decode


class Messages:
    """Publishes triggers, hints and key changes; feeds the live hub and the key ring."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._log = get_logger("messages")

    async def listen(self, hub: LiveHub, keys: KeyRing) -> None:
        """Subscribe for as long as the bus lives."""

        def live(message: Message) -> None:
            hub.heard(message.subject, message.data)

        def key_changed(_: Message) -> None:
            keys.reload_soon()

        def came_back() -> None:
            hub.connection_changed()
            keys.reload_soon()

        self._bus.on_reconnect(came_back)
        self._bus.on_disconnect(hub.connection_changed)
        await self._bus.subscribe(subjects.live_all(), live)
        await self._bus.subscribe(subjects.CONTROL_KEYS, key_changed)

    def trigger(self, run: NewRun) -> None:
        """The whole trigger, so that the first transition reads nothing."""
        message = Trigger(
            run=run.id,
            tenant=run.tenant,
            workflow=WorkflowRef(run.namespace, run.name, run.version),
            program=run.program.hex(),
            input=_payload(run.input),
            created_at=run.created_at,
            trace=run.trace or None,
        )
        headers = {"Nats-Msg-Id": str(run.id)}
        if run.trace:
            headers["traceparent"] = run.trace
        self._say(subjects.trigger(run.id), _encode(message), headers)

    def hint(self, run: UUID) -> None:
        """Rows of `inbox` wait for the run."""
        self._say(subjects.inbox(run), _encode(InboxHint(run)))

    def events_arrived(self) -> None:
        """Rows of `events_in` wait to be matched, or dead letters to be put back."""
        self._say(subjects.CONTROL_EVENTS, b"")

    def key_changed(self, key: str) -> None:
        self._say(subjects.CONTROL_KEYS, key.encode())

    def _say(self, subject: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self._bus.publish(subject, body, headers)
        except PermanentFault as refused:
            self._log.warning("not_published", subject=subject, error=str(refused))
        except Fault:
            # NATS is away: the orchestrator's sweep finds the row.
            return
