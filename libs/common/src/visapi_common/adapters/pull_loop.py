"""A continuous pull from one durable JetStream consumer.

nats-py's `fetch` makes up to two pull requests per call and leaves orphaned requests. This loop keeps one
inbox and sends raw `$JS.API.CONSUMER.MSG.NEXT` requests (NATS ADR-13):

- `window` bounds messages that are buffered here or asked for; when half of it is free the rest is
  asked for, so the server always has an open request and nobody ever waits for a round trip;
- the server reports the end of a request with a status (408 expired, 409 consumer deleted, leader
  change, shutdown, 503 no such consumer) and how many messages it still owed: those are asked anew;
- idle heartbeats show that a request still lives; two missed ones, or a reconnect, mean that all of
  them are gone;
- a missing consumer is asked for again every second until somebody re-creates it.

Deliveries may repeat. JetStream takes a late acknowledgement too, so acknowledging does not say which of two
consumers may write: PostgreSQL does (docs/explanation/delivery-protocol.md).
"""

import asyncio
from collections import deque

import msgspec

from visapi_common.adapters.bus import Bus, Message, Subscription
from visapi_common.core.errors import TransientFault

_EXPIRES_S = 12.0
"""How long a request stays open: a stalled process must not be sent messages for longer, because each
delivery counts towards poison.
"""
_HEARTBEAT_S = 5.0
_CHECK_S = 1.0
_CONTROL = 100


class Delivery:
    """One delivery of a message. Acknowledge it when the ledger has consumed it."""

    __slots__ = ("_message", "_reply", "data", "subject")

    def __init__(self, message: Message) -> None:
        self._message = message
        self._reply = message.reply
        self.subject = message.subject
        self.data = message.data

    @property
    def headers(self) -> dict[str, str]:
        return self._message.headers

    @property
    def deliveries(self) -> int:
        """How often the message was delivered, including this delivery."""
        return int(self._ack_token(4))

    @property
    def stored_at(self) -> float:
        """When the stream stored the message, in seconds since 1970 of the server's clock."""
        return int(self._ack_token(7)) / 1e9

    def _ack_token(self, position: int) -> str:
        # $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer's sequence>.<time>.<pending> or, with
        # a domain and account, two tokens later.
        parts = self._reply.split(".")
        return parts[position if len(parts) == 9 else position + 2]

    def ack(self) -> None:
        self._message.respond_quietly(b"+ACK")

    def nak(self, delay_s: float | None = None) -> None:
        """Ask for another delivery, at once or after `delay_s`."""
        body = b"-NAK" if delay_s is None else b'-NAK {"delay": %d}' % int(delay_s * 1e9)
        self._message.respond_quietly(body)

    def in_progress(self) -> None:
        """Restart the acknowledgement wait."""
        self._message.respond_quietly(b"+WPI")

    def term(self, reason: str = "") -> None:
        """Never deliver it again."""
        body = f"+TERM {reason}".encode() if reason else b"+TERM"
        self._message.respond_quietly(body)


class PullLoop:
    """See the module's docstring. One task may take at a time. With `holding`, taken messages count until
    they are released, so no message is requested that could not start at once.
    """

    def __init__(self, bus: Bus, stream: str, consumer: str, *, window: int, holding: bool = False) -> None:
        assert window > 0
        self._holding = holding
        self._held = 0
        self._bus = bus
        self._count = None if bus.meter is None else bus.meter.delivered(stream)
        self._api = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = bus.new_inbox()
        self._window = window
        self._buffer: deque[Delivery] = deque()
        self._asked = 0
        self._arrived = asyncio.Event()
        self._heard = 0.0
        self._quiet_until = 0.0
        self._subscription: Subscription | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopped = False
        self._request_body = _body(window)

    async def start(self) -> None:
        """Subscribe the inbox and request the first messages."""
        loop = asyncio.get_running_loop()
        self._subscription = await self._bus.subscribe(self._inbox, self._receive)
        self._bus.on_reconnect(self._ask_anew)
        self._keeper = loop.create_task(self._keep())
        self._ask()

    async def take(self, limit: int) -> list[Delivery]:
        """Wait for at least one delivery and return all that are buffered, up to `limit`. An empty list means
        that the loop is stopped.
        """
        while not self._buffer and not self._stopped:
            self._arrived.clear()
            await self._arrived.wait()
        return self.take_nowait(limit)

    def take_nowait(self, limit: int) -> list[Delivery]:
        """The buffered deliveries, up to `limit`; may be empty."""
        buffer = self._buffer
        taken = [buffer.popleft() for _ in range(min(limit, len(buffer)))]
        if taken:
            self._held += len(taken) if self._holding else 0
            self._ask()
        return taken

    def release(self) -> None:
        """Count one taken message as settled, so that with `holding` another one may be requested."""
        if self._holding:
            self._held -= 1
            self._ask()

    def touch(self) -> None:
        """Restart the acknowledgement wait of buffered deliveries."""
        for delivery in self._buffer:
            delivery.in_progress()

    @property
    def waiting(self) -> int:
        """The number of buffered deliveries."""
        return len(self._buffer)

    def on_arrival(self, wake: asyncio.Event) -> None:
        """Set this event when a delivery arrives, for a caller that waits on several loops."""
        self._arrived = wake

    async def stop(self) -> None:
        """Request no more. Buffered deliveries go back to the server."""
        self._stopped = True
        self._arrived.set()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._subscription is not None:
            await self._subscription.close()
        while self._buffer:
            self._buffer.popleft().nak()

    # ---- asking

    def _ask(self) -> None:
        free = self._window - self._asked - len(self._buffer) - self._held
        enough = free > 0 if self._holding else free * 2 >= self._window
        if self._stopped or free <= 0 or not enough:
            return
        now = asyncio.get_running_loop().time()
        if now < self._quiet_until:
            return
        try:
            self._bus.publish(
                self._api, self._request_body if free == self._window else _body(free), reply=self._inbox
            )
        except TransientFault:
            return
        if self._asked == 0:
            self._heard = now
        self._asked += free

    def _ask_anew(self) -> None:
        self._asked = 0
        self._quiet_until = 0.0
        self._ask()

    async def _keep(self) -> None:
        """Detect lost requests and re-created consumers."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_CHECK_S)
            if self._asked > 0 and loop.time() - self._heard > 2 * _HEARTBEAT_S + _CHECK_S:
                self._asked = 0
            self._ask()

    # ---- receiving, inside the read loop

    def _receive(self, message: Message) -> None:
        self._heard = asyncio.get_running_loop().time()
        status = message.status if message.subject == self._inbox else 0
        if status == 0 and not message.reply.startswith("$JS.ACK."):
            return
        if status == 0:
            self._asked = max(0, self._asked - 1)
            self._buffer.append(Delivery(message))
            if self._count is not None:
                self._count.inc()
            self._arrived.set()
        elif status != _CONTROL:
            self._request_ended(message, status)

    def _request_ended(self, message: Message, status: int) -> None:
        headers = message.headers
        owed = headers.get("Nats-Pending-Messages", "")
        expired = status == 408 or "Batch Completed" in headers.get("Description", "")
        if owed.isdigit() and expired:
            self._asked = max(0, self._asked - int(owed))
        else:
            self._asked = 0
        if not expired:
            self._quiet_until = asyncio.get_running_loop().time() + _CHECK_S
        self._ask()


def _body(batch: int) -> bytes:
    return msgspec.json.encode(
        {"batch": batch, "expires": int(_EXPIRES_S * 1e9), "idle_heartbeat": int(_HEARTBEAT_S * 1e9)}
    )
