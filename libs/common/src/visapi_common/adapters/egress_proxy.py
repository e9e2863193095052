"""A small HTTP and CONNECT proxy that applies the egress guard, for Chromium.

One request per connection: a plain request is forwarded with exactly its declared body, and the response is
marked `Connection: close`. So a browser cannot send a request for another host over a connection that was
checked for the first host.

Each document has a port of its own: one that asks without end is answered more slowly, and delays neither the
event loop nor the documents of others.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from visapi_common.adapters.egress_dial import EgressDialer, Resolver
from visapi_common.adapters.on_behalf import TENANT
from visapi_common.core.egress_policy import EgressPolicy, EgressRefused, Target, parse_url, target_of
from visapi_common.core.errors import PermanentFault, TransientFault
from visapi_common.core.pacing import Bucket

HEAD_MAX_BYTES = 32 * 1024
HEAD_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 30.0
_CHUNK = 64 * 1024
CONNECTIONS_MAX = 320
"""Of all ports, with two file descriptors each."""
CONNECTIONS_OF_PORT = 32
"""As many as Chromium opens to one proxy for the requests of a context; WebSockets beyond them wait."""
CONNECTIONS_AT_ONCE = 500
CONNECTIONS_PER_S = 100
"""A connection takes 0.7 ms of the event loop, and as long of the browser's one network process."""
CHUNKS_AT_ONCE = 4000
CHUNKS_PER_S = 1000
"""64 MB each second; of a tunnel whose other end sends small pieces the loop has as many, too."""
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authorization",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "upgrade",
    }
)


@dataclass(frozen=True, slots=True)
class _Head:
    start: str
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def encoded(self, start: str) -> bytes:
        lines = [start, *(f"{k}: {v}" for k, v in self.headers if k.lower() not in _HOP_BY_HOP)]
        return ("\r\n".join([*lines, "connection: close"]) + "\r\n\r\n").encode("latin-1")


class ProxyPort:
    """A port on 127.0.0.1 for the documents of a page. `number` is known once it listens."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.number = 0
        self.places = asyncio.Semaphore(CONNECTIONS_OF_PORT)
        self.connections = Bucket(CONNECTIONS_PER_S, CONNECTIONS_AT_ONCE, time.monotonic)
        self.chunks = Bucket(CHUNKS_PER_S, CHUNKS_AT_ONCE, time.monotonic)
        self.tasks: set[asyncio.Task[None]] = set()
        self.server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.number}"


class EgressProxy:
    """Listens on loopback ports and counts refusals."""

    def __init__(self, policy: EgressPolicy, resolver: Resolver | None = None) -> None:
        self._policy = policy
        self._dialer = EgressDialer(policy, resolver)
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)
        self._ports: set[ProxyPort] = set()
        self.refused = 0

    async def start(self) -> int:
        """Listen for what has no port of its own; returns the port's number."""
        return (await self.open_port("")).number

    async def open_port(self, tenant: str) -> ProxyPort:
        """Listen on a port for a document, or several, of one tenant."""
        port = ProxyPort(tenant)
        accept = partial(self._accept, port)
        port.server = await asyncio.start_server(
            accept, "127.0.0.1", 0, limit=HEAD_MAX_BYTES, start_serving=False
        )
        port.number = int(port.server.sockets[0].getsockname()[1])
        self._ports.add(port)
        try:
            await port.server.start_serving()
        except BaseException:
            # Stop listening on cancellation too: there is no other reference to the port.
            await self.close_port(port)
            raise
        return port

    async def close_port(self, port: ProxyPort) -> None:
        """Stop listening on the port and end its connections."""
        self._ports.discard(port)
        if port.server is not None:
            port.server.close()
        tasks = list(port.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        await asyncio.gather(*(self.close_port(port) for port in list(self._ports)))

    async def _accept(
        self, port: ProxyPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        port.tasks.add(task)
        TENANT.set(port.tenant)
        try:
            async with port.places:
                await asyncio.sleep(port.connections.take())
                async with self._places:
                    await self._serve(port, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # either side went away; there is nobody left to tell
        except asyncio.CancelledError:
            if port in self._ports:
                raise
        finally:
            port.tasks.discard(task)
            writer.close()

    async def _serve(
        self, port: ProxyPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.timeout(HEAD_TIMEOUT_S):
                head = await _read_head(reader)
            method, uri, _ = head.start.split(" ", 2)
            if method == "CONNECT":
                await self._tunnel(port, uri, reader, writer)
            else:
                await self._forward(port, uri, head, reader, writer)
        except EgressRefused as refused:
            self.refused += 1
            await _answer(writer, "403 Forbidden", str(refused))
        except TransientFault as fault:
            await _answer(writer, "502 Bad Gateway", str(fault))
        except (PermanentFault, ValueError) as fault:
            await _answer(writer, "400 Bad Request", str(fault))

    async def _dial(self, asked: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        route = self._policy.route(asked)
        if route.target.scheme != asked.scheme:
            raise PermanentFault(
                f"{asked.origin} is mapped to {route.target.origin}: a browser needs the same scheme"
            )
        target = route.target
        return await self._dialer.open_connection(target.host, target.port, trusted=route.mapped)

    async def _tunnel(
        self, port: ProxyPort, authority: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        parts = urlsplit(f"//{authority}")
        if "@" in authority or parts.hostname is None or parts.port is None:
            raise EgressRefused(f"CONNECT needs host:port, not {authority[:100]!r}")
        up_reader, up_writer = await self._dial(target_of("https", parts.hostname, parts.port))
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as group:
                group.create_task(_pipe(port, reader, up_writer))
                group.create_task(_pipe(port, up_reader, writer))
        except* (OSError, TimeoutError):
            pass  # a reset tunnel is an ended tunnel
        finally:
            up_writer.close()

    async def _forward(
        self,
        port: ProxyPort,
        uri: str,
        head: _Head,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        method = head.start.split(" ", 1)[0]
        if head.get("transfer-encoding"):
            raise PermanentFault("a request with a streamed body is not forwarded; send Content-Length")
        length = int(head.get("content-length") or 0)
        asked = parse_url(uri)
        if asked.scheme != "http":
            raise EgressRefused(f"the proxy forwards http only; use CONNECT for {asked.scheme}")
        parts = urlsplit(uri)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = f"[{asked.host}]" if ":" in asked.host else asked.host
        head.headers[:] = [("host", host if asked.port == 80 else f"{host}:{asked.port}")] + [
            (name, value) for name, value in head.headers if name.lower() != "host"
        ]
        up_reader, up_writer = await self._dial(asked)
        try:
            up_writer.write(head.encoded(f"{method} {path} HTTP/1.1"))
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(port, reader, up_writer, length))
                group.create_task(_answer_from(port, up_reader, writer, bodiless=method == "HEAD"))
        except* (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # one side went away in the middle
        finally:
            up_writer.close()


async def _read_head(reader: asyncio.StreamReader) -> _Head:
    raw = await reader.readuntil(b"\r\n\r\n")
    start, *lines = raw.decode("latin-1").split("\r\n")[:-2]
    headers: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or "\n" in line or "\0" in line:
            raise PermanentFault(f"the header line {line[:60]!r} cannot be read")
        headers.append((name, value.strip()))
    if start.count(" ") < 2 or "\n" in start:
        raise PermanentFault(f"the first line {start[:60]!r} cannot be read")
    return _Head(start, headers)


async def _answer_from(
    port: ProxyPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, bodiless: bool
) -> None:
    while True:
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            head = await _read_head(reader)
        writer.write(head.encoded(head.start))
        status = head.start.split(" ", 2)[1]
        if not status.startswith("1") or status == "101":
            break
    if bodiless or status in ("204", "304"):
        return
    length = head.get("content-length")
    if length is not None and not head.get("transfer-encoding"):
        await _copy(port, reader, writer, int(length))
    else:
        await _pipe(port, reader, writer)


async def _copy(
    port: ProxyPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int
) -> None:
    while count > 0:
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            chunk = await reader.read(min(count, _CHUNK))
        if not chunk:
            raise asyncio.IncompleteReadError(b"", count)
        count -= len(chunk)
        await asyncio.sleep(port.chunks.take())
        writer.write(chunk)
        await writer.drain()


async def _pipe(port: ProxyPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        async with asyncio.timeout(IDLE_TIMEOUT_S):
            chunk = await reader.read(_CHUNK)
        if not chunk:
            break
        await asyncio.sleep(port.chunks.take())
        writer.write(chunk)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _answer(writer: asyncio.StreamWriter, status: str, detail: str) -> None:
    body = detail.encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {len(body)}\r\n"
    writer.write(head.encode() + b"connection: close\r\n\r\n" + body)
    await writer.drain()
