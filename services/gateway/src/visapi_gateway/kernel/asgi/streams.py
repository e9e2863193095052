"""Streamed responses: server-sent events and files."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Protocol

from visapi_common.core.errors import Fault, ProblemError, TransientFault
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.kernel.asgi.http import Header, Message, Receive, Scope, Send

_log = get_logger("streams")


class Gauge(Protocol):
    def inc(self) -> None: ...
    def dec(self) -> None: ...


class EventStream:
    """Server-sent events until the source ends, the client leaves, or its key is no longer valid.
    `while_valid` is that of the call.
    """

    def __init__(
        self,
        source: AsyncGenerator[bytes, None],
        followers: Gauge,
        while_valid: Callable[[Callable[[], None]], Callable[[], None]],
    ) -> None:
        self._source = source
        self._followers = followers
        self._while_valid = while_valid

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: list[Header] = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["method"] == "HEAD":
            await send(_LAST)
            return
        self._followers.inc()
        try:
            await self._until_gone(receive, send)
        finally:
            self._followers.dec()

    async def _until_gone(self, receive: Receive, send: Send) -> None:
        telling = asyncio.create_task(self._tell(send))
        leaving = asyncio.create_task(_gone(receive))

        def end() -> None:
            telling.cancel()

        forget = self._while_valid(end)
        try:
            await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
            ended_with_key = telling.cancelled()
        finally:
            forget()
            telling.cancel()
            leaving.cancel()
            await asyncio.wait({telling, leaving})
        if not telling.cancelled():
            telling.result()
        elif ended_with_key:
            await send(_LAST)

    async def _tell(self, send: Send) -> None:
        try:
            async with aclosing(self._source) as events:
                async for event in events:
                    await send(_part(event))
        except (Fault, ProblemError) as failed:
            # The head is sent already: end the stream, and the client reconnects with Last-Event-ID.
            _log.warning("stream_ended", error=str(failed))
        await send(_LAST)


class FileStream:
    """A file of known size, or a part of it, in chunks."""

    def __init__(
        self, chunks: AsyncIterator[bytes], size: int, headers: list[Header], status: int = 200
    ) -> None:
        self._chunks = chunks
        self._size = size
        self._headers = headers
        self._status = status

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", str(self._size).encode()), *self._headers]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        if scope["method"] != "HEAD":
            async for chunk in self._chunks:
                await send(_part(chunk))
        await send(_LAST)


class LineStream:
    """Lines of unknown number. A failure breaks the connection, so that nobody takes a part for the whole,
    and so does the end of the caller's key. `while_valid` is that of the call.
    """

    def __init__(
        self,
        lines: AsyncIterator[bytes],
        headers: list[Header],
        while_valid: Callable[[Callable[[], None]], Callable[[], None]],
    ) -> None:
        self._lines = lines
        self._headers = headers
        self._while_valid = while_valid
        self._ended = False

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        if scope["method"] != "HEAD":
            forget = self._while_valid(self._end)
            try:
                async for text in self._lines:
                    if self._ended:
                        raise TransientFault("the key of the request has ended")
                    await send(_part(text))
            finally:
                forget()
        await send(_LAST)

    def _end(self) -> None:
        self._ended = True


_LAST: Message = {"type": "http.response.body", "body": b""}


def _part(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
