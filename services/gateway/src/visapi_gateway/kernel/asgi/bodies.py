"""The bytes of a request and of its response: limited in size, with a minimum rate, and counted while
buffered.

Time counts against a peer only while the gateway waits for the peer to send or to read. A peer has a fixed
number of seconds for a body or a response, and one more second for each `…_bytes_per_s` bytes transferred.
"""

import time
from asyncio import timeout
from typing import Any

from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.asgi.capacity import RETRY_AFTER_S, Capacity
from visapi_gateway.kernel.asgi.http import Header, Message, Receive, RequestContext, Send, problem_response

BODY_LIMIT = 1024 * 1024
PART = 64 * 1024
"""The bytes of one write to a connection; smaller responses do not count as buffered."""

_SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)
_POLICY: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE: Header = (b"cache-control", b"no-store")


def too_large() -> ProblemError:
    detail = f"a body has at most {BODY_LIMIT} bytes; send a reference to larger data"
    return ProblemError("payload_too_large", detail, status=413)


class RequestBody:
    """A request body with a limit on size and time."""

    __slots__ = ("_capacity", "_context", "_counted", "_receive", "_size", "_waited")

    def __init__(self, receive: Receive, context: RequestContext, capacity: Capacity) -> None:
        self._receive = receive
        self._context = context
        self._capacity = capacity
        self._size = 0
        self._waited = 0.0
        self._counted: tuple[str, int] | None = None

    async def __call__(self) -> Message:
        connection = self._context.slot.connection
        if connection is not None and connection.body_is_here:
            message = await self._receive()
        else:
            message = await self._wait()
        self._add(len(message.get("body", b"")))
        return message

    async def _wait(self) -> Message:
        bounds = self._capacity.bounds
        left = bounds.body_s + self._size / bounds.body_bytes_per_s - self._waited
        began = time.perf_counter()
        try:
            async with timeout(max(0.0, left)):
                message = await self._receive()
        except TimeoutError:
            detail = (
                f"the body did not come within {bounds.body_s:g} s and a second for each "
                f"{bounds.body_bytes_per_s} bytes; send it faster"
            )
            raise ProblemError(
                "request_timeout", detail, status=408, headers={"Connection": "close"}
            ) from None
        self._waited += time.perf_counter() - began
        return message

    def close(self) -> None:
        """The body is no longer needed."""
        if self._counted is not None:
            self._capacity.unbuffer(*self._counted)
            self._counted = None

    def _add(self, size: int) -> None:
        self._size += size
        if self._size > BODY_LIMIT:
            raise too_large()
        if self._size > PART and self._counted is None:
            # Reserve the largest possible size, so that a body is refused at its start or never.
            who = self._context.slot.who
            if not self._capacity.buffer(who, BODY_LIMIT):
                raise no_memory()
            self._counted = (who, BODY_LIMIT)


class ClientDisconnected(BaseException):
    """The client is gone. Not an `Exception`, so that no handler takes it for a bug."""


class ResponseWriter:
    """A response in parts; each is written when the connection has room.

    The head waits for the first bytes of the body, so that a response without memory can still become a
    problem.
    """

    __slots__ = (
        "_capacity",
        "_close",
        "_context",
        "_head",
        "_path",
        "_send",
        "_sent",
        "_waited",
        "started",
        "status",
    )

    def __init__(
        self, send: Send, context: RequestContext, capacity: Capacity, *, path: str, close: bool
    ) -> None:
        self._send = send
        self._context = context
        self._capacity = capacity
        self._path = path
        self._close = close
        self._head: Message | None = None
        self._sent = 0
        self._waited = 0.0
        self.status = 500
        self.started: float | None = None

    async def __call__(self, message: Message) -> None:
        """Raises `ClientDisconnected`."""
        if message["type"] == "http.response.start":
            self.started = time.perf_counter()
            self.status = message["status"]
            message["headers"] = self._headers(message.get("headers", ()))
            self._head = message
            return
        body: bytes = message.get("body", b"")
        if len(body) > PART:
            await self._in_parts(body, more=bool(message.get("more_body")))
            return
        await self._begin()
        await self._pass(message, len(body))

    async def _begin(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            await self._pass(head, 0)

    async def _in_parts(self, body: bytes, *, more: bool) -> None:
        who = self._context.slot.who
        if not self._capacity.buffer(who, len(body)):
            if self._head is None:
                # The reader must see a truncated response, not a complete one.
                raise self._cut("memory")
            await problem_response(no_memory(), self._context, self._path)({}, _nothing, self)
            return
        try:
            await self._begin()
            for start in range(0, len(body), PART):
                part = body[start : start + PART]
                rest = more or start + PART < len(body)
                await self._pass({"type": "http.response.body", "body": part, "more_body": rest}, len(part))
        finally:
            self._capacity.unbuffer(who, len(body))

    async def _pass(self, message: Message, size: int) -> None:
        connection, bounds = self._context.slot.connection, self._capacity.bounds
        if connection is not None and connection.gone:
            raise ClientDisconnected
        self._sent += size
        if connection is None or connection.has_room:
            await self._send(message)
            return
        left = bounds.answer_s + self._sent / bounds.answer_bytes_per_s - self._waited
        began = time.perf_counter()
        try:
            async with timeout(max(0.0, left)):
                await self._send(message)
        except TimeoutError:
            raise self._cut("answer") from None
        self._waited += time.perf_counter() - began

    def _cut(self, reason: str) -> ClientDisconnected:
        connection = self._context.slot.connection
        if connection is not None:
            connection.abort(reason)
        return ClientDisconnected()

    def _headers(self, own: Any) -> list[Header]:
        context = self._context
        headers: list[Header] = [
            *own,
            (b"x-request-id", context.request_id.encode()),
            *context.extra,
            *_SECURITY,
        ]
        names = {name for name, _ in headers}
        if context.allowance is not None:
            # A refusal names only the exceeded policies.
            fields = context.allowance.headers(with_quotas=context.starts_runs)
            headers += [field for field in fields if field[0] not in names]
        if b"cache-control" not in names:
            headers.append(_NO_STORE)
        if b"content-security-policy" not in names:
            headers.append(_POLICY)
        if self._close and b"connection" not in names:
            headers.append((b"connection", b"close"))
        return headers


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def no_memory() -> ProblemError:
    detail = (
        "too many bytes of this tenant wait to be read or written; read responses faster, or send less at "
        "once"
    )
    return ProblemError(
        "unavailable", detail, status=503, headers={"Retry-After": str(RETRY_AFTER_S), "Connection": "close"}
    )
