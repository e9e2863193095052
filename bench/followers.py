"""Followers that wait: the memory that open event streams of a quiet run take."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from bench.http_load import request_bytes
from bench.listeners import listen, tell
from bench.stack import BenchStack, drain

_AT_ONCE = 64
_OPEN_S = 60.0


async def idle_followers_mb(stack: BenchStack, *, followers: int) -> float:
    """MB PSS that the gateway needs more, once each of `followers` streams of one waiting run was pinged."""
    runs = await listen(stack, 1)
    before = await asyncio.to_thread(stack.memory_mb, "gateway")
    request = request_bytes(
        f"{stack.url}/v1/runs/{runs[0]['id']}/history",
        "GET",
        {"Authorization": f"Bearer {stack.key}", "Accept": "text/event-stream"},
    )
    room = asyncio.Semaphore(_AT_ONCE)
    async with AsyncExitStack() as opened:

        async def follow() -> asyncio.StreamReader:
            async with room:
                return await opened.enter_async_context(_stream(stack.url, request))

        readers = await asyncio.gather(*(follow() for _ in range(followers)))
        async with asyncio.timeout(_OPEN_S):
            await asyncio.gather(*(reader.readuntil(b": ping\n") for reader in readers))
        with_followers = await asyncio.to_thread(stack.memory_mb, "gateway")
    await tell(stack, runs)
    drain(stack)
    return with_followers - before


@asynccontextmanager
async def _stream(url: str, request: bytes) -> AsyncGenerator[asyncio.StreamReader, None]:
    """One open stream, whose head has been read. Ends the benchmark where the gateway refuses the stream."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        async with asyncio.timeout(_OPEN_S):
            head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"a stream was refused: {head.decode()}")
        yield reader
    finally:
        writer.close()
