"""The connection to NATS: publish, publish with a PubAck, request, subscribe; for ever.

A `Bus` outlives kill -9 of the server, a wiped store, an expired password: it reconnects without
end, replays its subscriptions, fails what was in flight with `UnknownFault`, and then calls the
`on_reconnect` callbacks so that others may re-create what the server forgot. While there is no
connection nothing is buffered: a publish raises `TransientFault` at once, because a message that
leaves minutes later is a ghost (a timed-out publish that still happens).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from urllib.parse import urlsplit

from nats import errors as nats_errors
from nats.nuid import NUID

from visapi_common.adapters.bus_messages import Handler, Message, PubAck, Subscription, read_ack
from visapi_common.adapters.nats_wire import WireClient, publish_command
from visapi_common.contracts.foreign import Unreadable
from visapi_common.core.errors import Fault, PermanentFault, TransientFault, UnknownFault

__all__ = ["Bus", "Handler", "Message", "PubAck", "Subscription"]

_log = logging.getLogger("visapi.bus")

_PING_S = 10
_RECONNECT_WAIT_S = 0.25
_CONNECT_TIMEOUT_S = 2
_CLOSE_TIMEOUT_S = 3.0
_NO_RESPONDERS = 503


class Bus:
    """See the module's docstring. Make one with `connect`."""

    def __init__(self, url: str, name: str) -> None:
        self._servers = [part.strip() for part in url.split(",")]
        self._name = name
        user = urlsplit(self._servers[0]).username
        prefix = f"_INBOX.{user}" if user else "_INBOX"
        self._inbox = f"{prefix}.{NUID().next().decode()}"
        self._counter = 0
        self._client: WireClient | None = None
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._subscriptions: list[Subscription] = []
        self._callbacks: list[Callable[[], Awaitable[None] | None]] = []
        self._lost_callbacks: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._up = asyncio.Event()
        self._came_back = asyncio.Event()
        self._gone = asyncio.Event()
        self._closing = False

    @classmethod
    async def connect(cls, url: str, name: str, *, wait_s: float = 5.0) -> "Bus":
        """Connect, waiting at most `wait_s`; without a server the bus is returned unconnected and
        keeps trying. `url` may list servers separated by commas; its user names the inbox prefix
        `_INBOX.<user>`, which is all that user must be allowed to subscribe to.
        """
        bus = cls(url, name)
        bus._subscriptions.append(Subscription(bus, f"{bus._inbox}.*", "", bus._answered))
        loop = asyncio.get_running_loop()
        bus._tasks = [loop.create_task(bus._supervise()), loop.create_task(bus._call_back())]
        try:
            async with asyncio.timeout(wait_s):
                await bus._up.wait()
        except TimeoutError:
            _log.warning("NATS does not answer yet; %s keeps trying", name)
        return bus

    @property
    def connected(self) -> bool:
        client = self._client
        return client is not None and client.is_connected

    def new_inbox(self) -> str:
        """A subject of this connection's own, for replies and pull deliveries."""
        self._counter += 1
        # Two tokens, so that `<inbox>.*` of the answers is no interest in it once its owner is gone.
        return f"{self._inbox}.i.{self._counter}"

    def on_reconnect(self, callback: Callable[[], Awaitable[None] | None]) -> None:
        """Call `callback` after each connection but the first that `connect` waited for."""
        self._callbacks.append(callback)

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call `callback`, a plain function, when the connection is lost."""
        self._lost_callbacks.append(callback)

    def publish(
        self, subject: str, body: bytes, headers: Mapping[str, str] | None = None, *, reply: str = ""
    ) -> None:
        """Publish without an acknowledgement. Cheap; all publishes of one turn leave in one write.

        Raises `TransientFault` while there is no connection, `PermanentFault` for a message above
        the server's limit (it would close the connection).
        """
        client = self._client
        if client is None or not client.is_connected:
            raise TransientFault("NATS is not connected; nothing was published")
        wire = publish_command(subject, reply, body, headers)
        if len(wire) > client.max_payload:
            raise PermanentFault(
                f"a message of {len(wire)} bytes on {subject} exceeds NATS's {client.max_payload}"
            )
        client.send(wire)

    def publish_quietly(self, subject: str, body: bytes) -> bool:
        """Publish what may be lost; says whether there was a connection."""
        client = self._client
        if client is None or not client.is_connected:
            return False
        client.send(publish_command(subject, "", body, None))
        return True

    async def publish_acked(
        self,
        subject: str,
        body: bytes,
        *,
        msg_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 2.0,
    ) -> PubAck:
        """Publish to JetStream and wait for its PubAck.

        Raises `TransientFault` when the message was surely not stored (no connection, no stream, a
        full stream) and `UnknownFault` otherwise (timeout, connection lost): then publish again
        under the same `msg_id`.
        """
        if msg_id is not None:
            headers = {**(headers or {}), "Nats-Msg-Id": msg_id}
        answer = await self.request(subject, body, timeout_s, headers=headers)
        ack = read_ack(answer.data)
        if isinstance(ack, Unreadable):
            raise UnknownFault(f"{subject}: something other than a PubAck came back: {ack.reason}")
        if ack.error is not None:
            raise TransientFault(f"{subject}: not stored: {ack.error.description} ({ack.error.err_code})")
        return ack

    async def request(
        self, subject: str, body: bytes, timeout_s: float, *, headers: Mapping[str, str] | None = None
    ) -> Message:
        """Publish and wait for one answer. Raises `TransientFault` when nobody listens, `UnknownFault`
        when no answer came in `timeout_s`.
        """
        self._counter += 1
        token = f"r{self._counter}"
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Message] = loop.create_future()
        self._waiting[token] = answer
        timer = loop.call_later(timeout_s, self._expire, token, subject, timeout_s)
        try:
            self.publish(subject, body, headers, reply=f"{self._inbox}.{token}")
            message = await answer
        finally:
            timer.cancel()
            self._waiting.pop(token, None)
        if message.status == _NO_RESPONDERS:
            raise TransientFault(f"nobody serves {subject}")
        return message

    async def subscribe(self, subject: str, handler: Handler, queue: str | None = None) -> Subscription:
        """Receive what is published on `subject` (wildcards allowed), see `Handler`."""
        subscription = Subscription(self, subject, queue or "", handler)
        self._subscriptions.append(subscription)
        if self._client is not None:
            await subscription.attach(self._client)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Stop replaying a subscription; `Subscription.close` calls this."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    async def flush(self, timeout_s: float = 2.0) -> None:
        """Wait until the server has processed everything published so far. Raises `UnknownFault`."""
        client = self._client
        if client is None or not client.is_connected:
            raise UnknownFault("NATS is not connected; what was published last may be lost")
        try:
            async with asyncio.timeout(timeout_s):
                await client.flush(timeout=int(timeout_s) + 1)
        except (TimeoutError, nats_errors.Error) as error:
            raise UnknownFault("NATS did not confirm what was published last") from error

    async def close(self) -> None:
        """Send what is queued and disconnect. Nothing may be used afterwards."""
        self._closing = True
        self._fail_waiting()
        for subscription in list(self._subscriptions):
            await subscription.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_TIMEOUT_S)
        client, self._client = self._client, None
        if client is not None:
            try:
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await client.close()
            except (TimeoutError, OSError, nats_errors.Error) as error:
                _log.warning("NATS connection was not closed cleanly: %r", error)

    # ---- connection upkeep

    async def _supervise(self) -> None:
        """nats-py reconnects by itself but gives up on some errors; then a new client is made."""
        while not self._closing:
            client = WireClient()
            self._gone.clear()
            await client.connect(
                servers=self._servers,
                name=self._name,
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=_RECONNECT_WAIT_S,  # pyright: ignore[reportArgumentType] (any number works)
                connect_timeout=_CONNECT_TIMEOUT_S,
                ping_interval=_PING_S,
                pending_size=0,
                inbox_prefix=self._inbox,
                error_cb=self._on_error,
                disconnected_cb=partial(self._on_lost, client),
                reconnected_cb=self._on_back,
                closed_cb=self._on_gone,
            )
            self._client = client
            for subscription in self._subscriptions:
                await subscription.attach(client)
            if self._up.is_set():
                self._came_back.set()
            self._up.set()
            await self._gone.wait()
            self._client = None
            await asyncio.sleep(_RECONNECT_WAIT_S)

    async def _call_back(self) -> None:
        await self._up.wait()
        while True:
            await self._came_back.wait()
            self._came_back.clear()
            for callback in list(self._callbacks):
                try:
                    pending = callback()
                    if pending is not None:
                        await pending
                except Fault as fault:
                    _log.warning("after reconnecting to NATS: %s", fault)

    async def _on_error(self, error: Exception) -> None:
        _log.info("NATS: %r", error)

    async def _on_lost(self, client: WireClient) -> None:
        client.forget_backlog()
        if not self._closing:
            _log.warning("connection to NATS lost")
        self._fail_waiting()
        for callback in list(self._lost_callbacks):
            callback()

    async def _on_back(self) -> None:
        _log.info("connected to NATS again")
        self._came_back.set()

    async def _on_gone(self) -> None:
        self._gone.set()

    # ---- answers

    def _answered(self, message: Message) -> None:
        token = message.subject.rpartition(".")[2]
        future = self._waiting.pop(token, None)
        if future is not None and not future.done():
            future.set_result(message)

    def _expire(self, token: str, subject: str, timeout_s: float) -> None:
        future = self._waiting.pop(token, None)
        if future is not None and not future.done():
            future.set_exception(UnknownFault(f"{subject}: no answer within {timeout_s} s"))

    def _fail_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(UnknownFault("the connection to NATS was lost before the answer"))
