"""Incoming parts of the bus: messages, JetStream acknowledgements, subscriptions."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from visapi_common.adapters.nats_wire import WireClient, parse_headers, status_of
from visapi_common.contracts.foreign import Reader
from visapi_common.core.errors import ContentFault, Fault

_log = logging.getLogger("visapi.bus")

_INBOXES = "_INBOX."
_SHOWN_MAX = 200


class Outgoing(Protocol):
    """The part of the bus that messages and subscriptions use."""

    def publish(self, subject: str, body: bytes) -> None: ...
    def publish_quietly(self, subject: str, body: bytes) -> bool: ...
    def forget(self, subscription: "Subscription") -> None: ...
    def handler_failed(self, subject: str, error: Exception) -> None: ...


class Message:
    """A received message. Headers are parsed on access."""

    __slots__ = ("_bus", "_raw_headers", "data", "reply", "subject")

    def __init__(
        self, bus: Outgoing, subject: str, reply: str, data: bytes, raw_headers: bytes | None
    ) -> None:
        self._bus = bus
        self._raw_headers = raw_headers
        self.subject = subject
        self.reply = reply
        self.data = data

    @property
    def headers(self) -> dict[str, str]:
        return parse_headers(self._raw_headers)

    @property
    def status(self) -> int:
        """The server's status code, or 0 for a message that somebody published."""
        return status_of(self._raw_headers)

    @property
    def answerable(self) -> bool:
        """Whether the message names an inbox for the answer."""
        return self.reply.startswith(_INBOXES)

    def respond(self, body: bytes) -> None:
        """Answer a request; does nothing for a message without a reply subject.

        Only inboxes are answered: NATS lets a client name any reply subject, and the answer is published with
        the rights of this service. An answer that cannot be sent is lost, and the requester asks again.
        """
        if not self.reply:
            return
        if not self.answerable:
            refused = f"nothing is answered: {self.reply[:_SHOWN_MAX]!r} is no inbox"
            self._bus.handler_failed(self.subject, ContentFault(refused))
            return
        try:
            self._bus.publish(self.reply, body)
        except Fault as fault:
            _log.info("an answer was not sent: %s", fault)

    def respond_quietly(self, body: bytes) -> None:
        """Answer where a lost answer is harmless, such as an acknowledgement."""
        self._bus.publish_quietly(self.reply, body)


Handler = Callable[[Message], Awaitable[None] | None]
"""A plain function runs inside the read loop and must not block. A coroutine function runs in a task of the
subscription, one message at a time.
"""


class _Refusal(msgspec.Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class PubAck(msgspec.Struct, frozen=True):
    """JetStream's publish acknowledgement. A repeated message id has the `seq` of the first message."""

    stream: str = ""
    seq: int = 0
    error: _Refusal | None = None


read_ack = Reader(PubAck)


class Subscription:
    """A subscription that survives reconnects, until `close`."""

    def __init__(self, bus: Outgoing, subject: str, queue: str, handler: Handler) -> None:
        self.subject = subject
        self._queue_group = queue
        self._bus = bus
        self._handler = handler
        self._sid: int | None = None
        self._client: WireClient | None = None
        self._inbound: asyncio.Queue[Message] | None = None
        self._runner: asyncio.Task[None] | None = None
        if inspect.iscoroutinefunction(handler):
            self._inbound = asyncio.Queue()
            self._runner = asyncio.get_running_loop().create_task(self._run(self._inbound))

    async def attach(self, client: WireClient) -> None:
        """Subscribe on a new client."""
        self._client = client
        self._sid = await client.add_sink(self.subject, self._queue_group, self._receive)

    def _receive(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        """Called in the read loop of the connection, so it never raises."""
        try:
            message = Message(
                self._bus, subject.decode("utf-8", "replace"), reply.decode("utf-8", "replace"), data, headers
            )
            if self._inbound is None:
                self._handler(message)
            else:
                self._inbound.put_nowait(message)
        except Exception as error:  # noqa: BLE001 (the next message is read after any failure)
            self._bus.handler_failed(self.subject, error)

    async def _run(self, inbound: "asyncio.Queue[Message]") -> None:
        while True:
            message = await inbound.get()
            try:
                answer = self._handler(message)
                assert answer is not None
                await answer
            except Fault as fault:
                _log.warning("handler of %s failed: %s", self.subject, fault)
            except Exception as error:  # noqa: BLE001 (the next message is handled after any failure)
                self._bus.handler_failed(self.subject, error)

    async def close(self) -> None:
        """Unsubscribe; waiting messages are dropped."""
        self._bus.forget(self)
        if self._client is not None and self._sid is not None:
            self._client.drop_sink(self._sid)
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])
