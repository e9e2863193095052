"""The connection to NATS: publish, publish with a PubAck, request, subscribe. It reconnects without end.

A `Bus` outlives kill -9 of the server, a wiped store, an expired password: it reconnects without end, replays
its subscriptions, fails requests in flight with `UnknownFault`, and then calls the `on_reconnect` callbacks,
which re-create lost server state. Without a connection nothing is buffered: a publish raises `TransientFault`
at once, because a caller no longer expects a message that is sent minutes later.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from nats.nuid import NUID

from visapi_common.adapters.bus_answers import AwaitedAnswers
from visapi_common.adapters.bus_messages import Handler, Message, PubAck, Subscription, read_ack
from visapi_common.adapters.bus_meter import BusMeter
from visapi_common.adapters.nats_access import NatsAccess, Urls, connect_options
from visapi_common.adapters.nats_wire import WireClient, publish_command
from visapi_common.contracts.foreign import Unreadable
from visapi_common.core import nats_url
from visapi_common.core.backoff import full_jitter_s
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_common.core.nats_url import Server
from visapi_common.telemetry.catalogue import Metrics

__all__ = ["Bus", "Handler", "Message", "PubAck", "Subscription", "Urls"]

_log = logging.getLogger("visapi.bus")

_PING_S = 10
_RECONNECT_MIN_S = 0.05
_RECONNECT_WAIT_S = 0.1
_RECONNECT_MAX_S = 2.0
_TRIES_MAX = 10
_CONNECT_TIMEOUT_S = 2
_CONNECT_LIMIT_S = 5.0
_SERVED_S = 1.0
"""A shorter connection counts as a failure and lengthens the pause before the next one."""
_CLOSE_TIMEOUT_S = 3.0
_NO_RESPONDERS = 503
NO_ACCESS = NatsAccess()
"""The options of a connection that needs nothing beside its URL."""


class ServerView(NamedTuple):
    version: str
    max_payload: int


class Bus:
    """See the module's docstring. Make one with `connect`."""

    def __init__(self, url: Urls, name: str, access: NatsAccess = NO_ACCESS) -> None:
        self._urls: Callable[[], Sequence[str]] = (lambda: (url,)) if isinstance(url, str) else url
        self._access = access
        self._name = name
        user = self._servers()[0].user or access.user
        prefix = f"_INBOX.{user}" if user else "_INBOX"
        self._inbox = f"{prefix}.{NUID().next().decode()}"
        self._counter = 0
        self._client: WireClient | None = None
        self._answers = AwaitedAnswers()
        self._subscriptions: list[Subscription] = []
        self._callbacks: list[Callable[[], Awaitable[None] | None]] = []
        self._lost_callbacks: list[Callable[[], None]] = []
        self._failure_callbacks: list[Callable[[], object]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._up = asyncio.Event()
        self._came_back = asyncio.Event()
        self._closing = False
        self._last_error = ""
        self._meter: BusMeter | None = None

    @classmethod
    async def connect(
        cls, url: Urls, name: str, *, access: NatsAccess = NO_ACCESS, wait_s: float = 5.0
    ) -> "Bus":
        """Connect, waiting at most `wait_s`; without a server the bus is returned unconnected and
        keeps trying. `url` may list servers separated by commas; its user, else that of `access`, names the
        inbox prefix `_INBOX.<user>`, which is all that user must be allowed to subscribe to. Where `url` is a
        function, it is asked at each try, and its URLs are tried in turn.
        """
        bus = cls(url, name, access)
        bus._subscriptions.append(Subscription(bus, f"{bus._inbox}.*", "", bus._answers.receive))
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
        return client is not None and client.reads

    @property
    def server(self) -> ServerView | None:
        """The server of this connection; None while there is none."""
        client = self._client
        if client is None or not client.reads:
            return None
        version = client.connected_server_version
        return ServerView(f"{version.major}.{version.minor}.{version.patch}", client.max_payload)

    @property
    def last_error(self) -> str:
        """Why the last try to connect failed; empty after none."""
        return self._last_error

    def new_inbox(self) -> str:
        """A unique subject of this connection, for replies and pull deliveries."""
        self._counter += 1
        # Two tokens, so that the reply subscription `<inbox>.*` does not match it.
        return f"{self._inbox}.i.{self._counter}"

    def on_reconnect(self, callback: Callable[[], Awaitable[None] | None]) -> None:
        """Call `callback` after each connection but the first that `connect` waited for."""
        self._callbacks.append(callback)

    def count_in(self, metrics: Metrics) -> None:
        """Count messages, requests, reconnections and failures of handlers from now on."""
        self._meter = meter = BusMeter(metrics)
        self.on_reconnect(meter.reconnected)
        self.on_handler_failure(meter.handler_failed)
        metrics.nats_connected.set_function(lambda: float(self.connected))

    @property
    def meter(self) -> BusMeter | None:
        """The counters of this connection; None while nothing counts."""
        return self._meter

    def on_handler_failure(self, callback: Callable[[], object]) -> None:
        """Call `callback` (such as a counter) when a handler raises an unexpected exception."""
        self._failure_callbacks.append(callback)

    def handler_failed(self, subject: str, error: Exception) -> None:
        """Record that a handler raised. Its message is lost, and reading continues."""
        _log.error("a handler of %s failed", subject, exc_info=error)
        for callback in self._failure_callbacks:
            callback()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call `callback`, a plain function, when the connection is lost."""
        self._lost_callbacks.append(callback)

    def publish(
        self, subject: str, body: bytes, headers: Mapping[str, str] | None = None, *, reply: str = ""
    ) -> None:
        """Publish without an acknowledgement. All publishes of one event loop iteration are sent in one
        write.

        Raises `TransientFault` without a connection, and `PermanentFault` for a message, subject or header
        that would make the server close the connection.
        """
        wire = publish_command(subject, reply, body, headers)
        client = self._client
        if client is None or not client.reads:
            raise TransientFault("NATS is not connected; nothing was published")
        if len(wire) > client.max_payload:
            raise PermanentFault(
                f"a message of {len(wire)} bytes on {subject} exceeds NATS's {client.max_payload}"
            )
        client.send(wire)
        if self._meter is not None:
            self._meter.sent(subject, "request" if reply else "publish")

    def publish_quietly(self, subject: str, body: bytes) -> bool:
        """Publish a message that may be lost. Returns whether there was a connection."""
        try:
            self.publish(subject, body)
        except TransientFault:
            return False
        except PermanentFault as refused:
            _log.warning("not published: %s", refused)
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

        Raises `TransientFault` when the message was certainly not stored (no connection, no stream, a full
        stream), else `UnknownFault` (timeout, lost connection): then publish again under the same `msg_id`.
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
        with (
            nullcontext() if self._meter is None else self._meter.asking(subject),
            self._answers.awaited(subject, timeout_s) as (token, answer),
        ):
            self.publish(subject, body, headers, reply=f"{self._inbox}.{token}")
            message = await answer
            if message.status == _NO_RESPONDERS:
                raise TransientFault(f"nobody serves {subject}")
            return message

    async def subscribe(self, subject: str, handler: Handler, queue: str | None = None) -> Subscription:
        """Call the handler for each message on `subject` (wildcards allowed); see `Handler`."""
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
        if client is None or not client.reads:
            raise UnknownFault("NATS is not connected; the last published messages may be lost")
        try:
            async with asyncio.timeout(timeout_s):
                await client.flush(timeout=int(timeout_s) + 1)
        except Exception as error:  # nats-py may fail in any way; it was not confirmed
            raise UnknownFault("NATS did not confirm the last published messages") from error

    async def close(self) -> None:
        """Send queued messages and disconnect. The bus cannot be used afterwards."""
        self._closing = True
        self._answers.fail_all()
        for subscription in list(self._subscriptions):
            await subscription.close()
        if self.connected:
            try:
                await self.flush(_CLOSE_TIMEOUT_S)
            except UnknownFault as fault:
                _log.warning("%s", fault)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSE_TIMEOUT_S)

    # ---- connection upkeep

    def _servers(self) -> list[Server]:
        return [server for urls in self._urls() for server in nats_url.servers(urls)]

    async def _supervise(self) -> None:
        """Keep a connection without end, with a new client for each, so that no client failure persists."""
        loop = asyncio.get_running_loop()
        tries = failures = 0
        while not self._closing:
            client: WireClient | None = None
            began = loop.time()
            try:
                servers = self._servers()
                server = servers[tries % len(servers)]
                tries += 1
                client = WireClient(needs_tls=self._access.needs_tls(server))
                await self._serve_once(client, server)
                failures = 0 if loop.time() - began > _SERVED_S else failures + 1
            except Exception as error:  # noqa: BLE001 (nats-py may fail in any way; the next try is a new client)
                _log.info("NATS: %r", error)
                self._last_error = f"{error}" or repr(error)
                failures += 1
            finally:
                self._client = None
                if client is not None:
                    await client.discard()
            wait_s = full_jitter_s(
                min(failures, _TRIES_MAX) + 1,
                base_s=_RECONNECT_WAIT_S,
                cap_s=_RECONNECT_MAX_S,
                draw=random.random(),
            )
            await asyncio.sleep(_RECONNECT_MIN_S + wait_s)

    async def _serve_once(self, client: WireClient, server: Server) -> None:
        """Connect, and return when the connection has ended. Raises when connecting fails."""
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            await client.connect(
                **connect_options(server, self._access),
                name=self._name,
                allow_reconnect=False,
                connect_timeout=_CONNECT_TIMEOUT_S,
                ping_interval=_PING_S,
                pending_size=0,
                inbox_prefix=self._inbox,
                error_cb=self._on_error,
            )
        self._client = client
        try:
            for subscription in list(self._subscriptions):
                await subscription.attach(client)
            await client.flush(timeout=_CONNECT_TIMEOUT_S)
            if self._up.is_set():
                _log.info("connected to NATS again")
                self._came_back.set()
            self._up.set()
            await client.ended()
        finally:
            self._client = None
            self._lost()

    def _lost(self) -> None:
        if not self._closing:
            _log.warning("connection to NATS lost")
        self._answers.fail_all()
        for callback in list(self._lost_callbacks):
            try:
                callback()
            except Exception as error:  # noqa: BLE001 (no callback may keep the bus from coming back)
                _log.error("after losing NATS: %r", error)

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
                except Exception as error:  # noqa: BLE001 (no callback may keep the others from being called)
                    _log.warning("after reconnecting to NATS: %r", error)

    async def _on_error(self, error: Exception) -> None:
        _log.info("NATS: %r", error)
