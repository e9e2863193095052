"""Hands TCP connections on, so that a server on the loopback interface is reached from another network namespace."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any


class Relay:
    """Listens on one address for a server on another. An end of either side is an end of both."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        """The same port on both sides, so that only the host differs in a URL."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._host, self._port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far, request = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                await _until_one_ends(_pump(near, request), _pump(far, answer))
            finally:
                request.close()
        except (OSError, asyncio.CancelledError):
            pass  # the server is away, or the relay stops: the caller sees its connection end
        finally:
            answer.close()
            self._tasks.discard(task)


async def _until_one_ends(*pumps: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
