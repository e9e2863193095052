"""A small HTTP/1.1 load generator: keep-alive connections, prebuilt requests, exact latencies.

Ours, because the generator shares two cores with what it measures: it must cost less than a
general client does. It speaks only what the gateway answers: `Content-Length` bodies.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class LoadResult:
    """Latencies in seconds, in order of completion; statuses by count; bodies if they were kept."""

    elapsed_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list[float])
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    bodies: list[bytes] = field(default_factory=list[bytes])

    @property
    def rate(self) -> float:
        return len(self.latencies_s) / self.elapsed_s if self.elapsed_s else 0.0

    def percentile_ms(self, share: float) -> float:
        """The latency that `share` (0..1) of all requests did not exceed, in milliseconds."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def request_bytes(url: str, method: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One request, ready to be written as often as wanted."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request outstanding."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        head_end = self.buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        lowered = self.buffer[:head_end].lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        end = head_end + 4 + length
        if len(self.buffer) < end:
            return
        status, body = int(self.buffer[9:12]), self.buffer[head_end + 4 : end]
        self.buffer = self.buffer[end:]
        if self.answer is not None and not self.answer.done():
            self.answer.set_result((status, body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(exc or ConnectionError("the server closed the connection"))

    async def send(self, request: bytes) -> tuple[int, bytes]:
        assert self.transport is not None
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


async def _connect(url: str) -> _Connection:
    parts = urlsplit(url)
    _, connection = await asyncio.get_running_loop().create_connection(
        _Connection, parts.hostname or "127.0.0.1", parts.port or 80
    )
    return connection


def _note(result: LoadResult, began: float, answer: tuple[int, bytes], *, keep: bool) -> None:
    result.latencies_s.append(time.perf_counter() - began)
    result.statuses[answer[0]] = result.statuses.get(answer[0], 0) + 1
    if keep:
        result.bodies.append(answer[1])


async def closed_loop(
    url: str, make: Callable[[int], bytes], *, total: int, connections: int, keep: bool = False
) -> LoadResult:
    """Send `total` requests over `connections`, each sending its next when the last was answered."""
    result, numbers = LoadResult(), iter(range(total))

    async def drive(connection: _Connection) -> None:
        for number in numbers:
            began = time.perf_counter()
            _note(result, began, await connection.send(make(number)), keep=keep)

    opened = [await _connect(url) for _ in range(connections)]
    began = time.perf_counter()
    async with asyncio.timeout(300), asyncio.TaskGroup() as group:
        for connection in opened:
            group.create_task(drive(connection))
    result.elapsed_s = time.perf_counter() - began
    _close(opened)
    return result


async def open_loop(
    url: str, make: Callable[[int], bytes], *, rate: float, total: int, connections: int, keep: bool = False
) -> LoadResult:
    """Send `total` requests at a steady `rate` per second; latency counts from the scheduled instant."""
    result = LoadResult()
    idle: asyncio.Queue[_Connection] = asyncio.Queue()
    opened = [await _connect(url) for _ in range(connections)]
    for connection in opened:
        idle.put_nowait(connection)

    async def one(number: int, scheduled: float) -> None:
        connection = await idle.get()
        answer = await connection.send(make(number))
        idle.put_nowait(connection)
        _note(result, scheduled, answer, keep=keep)

    began = time.perf_counter()
    async with asyncio.timeout(300), asyncio.TaskGroup() as group:
        for number in range(total):
            scheduled = began + number / rate
            await asyncio.sleep(max(0.0, scheduled - time.perf_counter()))
            group.create_task(one(number, scheduled))
    result.elapsed_s = time.perf_counter() - began
    _close(opened)
    return result


def _close(connections: list[_Connection]) -> None:
    for connection in connections:
        if connection.transport is not None:
            connection.transport.close()
