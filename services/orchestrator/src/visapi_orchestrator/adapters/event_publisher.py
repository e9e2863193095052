"""Publishes emitted events on `EVENTS`, acknowledged."""

from visapi_common.adapters.bus import Bus


class JetStreamEvents:
    """See `app.event_dispatch.Acknowledged`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish_event(self, subject: str, body: bytes, *, message_id: str, kind: str) -> None:
        await self._bus.publish_acked(subject, body, msg_id=message_id, headers={"content-type": kind})
