"""The bus behind a proxy that speaks garbage, breaks off and lies: it always comes back."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from kit.servers import NatsServer
from kit.waiting import eventually
from visapi_common.adapters.bus import Bus, Message
from visapi_common.core.errors import Fault, PermanentFault, TransientFault

_INFO = b'INFO {"server_id":"x","version":"2.10.0","proto":1,"max_payload":%b}\r\n'


class Proxy:
    """Passes bytes through to a real server; `greeting` answers new connections instead of it."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.greeting: bytes | None = None
        self.silent = False
        self.cut_after: int | None = None
        """Bytes from the server after which connections break off."""
        self.accepted = 0
        self.heard = bytearray()
        """Bytes from the client."""
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        for task in self._tasks:
            task.cancel()

    def url(self) -> str:
        credentials = self._upstream.netloc.rpartition("@")[0]
        return f"nats://{credentials}@127.0.0.1:{self.port}"

    def drop(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    def inject(self, data: bytes) -> None:
        """Say something to the client in the middle of everything."""
        for writer in self._open:
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open.add(writer)
        try:
            if self.silent:
                await reader.read()
            elif self.greeting is not None:
                writer.write(self.greeting)
                await writer.drain()
                while self.greeting is not None and await reader.read(65536):
                    writer.write(b"-ERR 'nonsense\r\n")
            else:
                await self._pass(reader, writer)
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._upstream.port
        assert port is not None
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        up = asyncio.create_task(_copy(reader, to_server, None, self.heard))
        self._tasks.add(up)
        await _copy(from_server, writer, self.cut_after)
        up.cancel()
        to_server.close()


async def _copy(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    most: int | None,
    heard: bytearray | None = None,
) -> None:
    try:
        while data := await reader.read(65536 if most is None else min(65536, most)):
            if heard is not None:
                heard += data
            writer.write(data)
            await writer.drain()
            if most is not None and (most := most - len(data)) <= 0:
                break
    except OSError:
        pass


@pytest.fixture
async def proxy(nats_server: NatsServer) -> AsyncIterator[Proxy]:
    running = Proxy(nats_server.url())
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def bus(proxy: Proxy) -> AsyncIterator[Bus]:
    connected = await Bus.connect(proxy.url(), "test")
    yield connected
    await connected.close()


async def _answers(bus: Bus) -> bool:
    try:
        return (await bus.request("double", b"ab", 1)).data == b"abab"
    except Fault:
        return False


async def _serve_double(bus: Bus) -> None:
    async def double(message: Message) -> None:
        message.respond(message.data * 2)

    await bus.subscribe("double", double)
    assert await eventually(lambda: _answers(bus))


async def test_what_is_flushed_reaches_the_server_before_the_ping_that_confirms_it(bus: Bus, proxy: Proxy):
    """Else a request that follows the flush of a subscription may find that nobody serves it."""
    await bus.flush()
    proxy.heard.clear()
    await bus.subscribe("asked", lambda message: message.respond(b""))
    await bus.flush()
    assert 0 <= proxy.heard.find(b"SUB asked") < proxy.heard.find(b"PING")


GREETINGS = {
    "garbage": b"\x00\xff\xfe garbage \r\n\r\n",
    "half an INFO": b'INFO {"server_id":"x"',
    "an INFO that is no JSON": b"INFO {]\r\n",
    "an INFO that is a list": b"INFO []\r\n",
    "an INFO with a limit that is none": _INFO % b'"many"',
    "an INFO with a negative limit": _INFO % b"-1",
    "an INFO with senseless servers": b'INFO {"max_payload":1048576,"connect_urls":[1,"::::"]}\r\n',
    "an INFO in Latin-1": b'INFO {"server_id":"\xe9"}\r\n',
    "an INFO and then nothing that it knows": _INFO % b"1048576" + b"HELLO\r\n",
    "an INFO and then a refusal": _INFO % b"1048576" + b"-ERR 'Authorization Violation'\r\n",
    "a web server": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS.keys())
async def test_it_comes_back_from_a_server_that_greets_with_nonsense(bus: Bus, proxy: Proxy, greeting: bytes):
    await _serve_double(bus)
    before = proxy.accepted
    proxy.greeting = greeting
    proxy.drop()

    async def tried_again() -> bool:
        return proxy.accepted >= before + 2

    await eventually(tried_again)
    assert not bus.connected
    with pytest.raises(TransientFault):
        bus.publish("a", b"")
    proxy.greeting = None
    proxy.drop()
    assert await eventually(lambda: _answers(bus))


INJECTIONS = {
    "an error without a text": b"-ERR \r\n",
    "an error": b"-ERR 'Unknown Protocol Operation'\r\n",
    "an error in Latin-1": b"-ERR '\xe9'\r\n",
    "a stale connection": b"-ERR 'Stale Connection'\r\n",
    "a limit that was exceeded": b"-ERR 'Maximum Control Line Exceeded'\r\n",
    "an unknown word": b"NONSENSE\r\n",
    "an INFO that is no JSON": b"INFO {]\r\n",
    "an INFO that is a number": b"INFO 1\r\n",
    "a message of a length that is none": b"MSG a 1 99999999999999999999999\r\n",
    "a message of a subscription that is none": b"MSG a " + b"9" * 5_000 + b" 0\r\n\r\n",
    "headers longer than their message": b"HMSG a 1 999 2\r\nab\r\n",
}


@pytest.mark.parametrize("data", INJECTIONS.values(), ids=INJECTIONS.keys())
async def test_it_comes_back_from_nonsense_in_the_middle(bus: Bus, proxy: Proxy, data: bytes):
    await _serve_double(bus)
    proxy.inject(data)

    async def noticed_or_ignored() -> bool:
        return await _answers(bus)

    if not await _answers(bus):
        # What can still be taken for a message of great length is ended by whoever waits for its rest.
        proxy.drop()
    assert await eventually(noticed_or_ignored)


@pytest.mark.parametrize("bytes_", [1, 5, 60, 200, 400, 430])
async def test_it_comes_back_from_connections_that_break_off(bus: Bus, proxy: Proxy, bytes_: int):
    await _serve_double(bus)
    before = proxy.accepted
    proxy.cut_after = bytes_
    proxy.drop()

    async def tried_again() -> bool:
        return proxy.accepted >= before + 2

    await eventually(tried_again)
    proxy.cut_after = None
    proxy.drop()
    assert await eventually(lambda: _answers(bus))


async def test_it_comes_back_from_a_server_that_says_nothing(bus: Bus, proxy: Proxy):
    await _serve_double(bus)
    before = proxy.accepted
    proxy.silent = True
    proxy.drop()

    async def tried_again() -> bool:
        return proxy.accepted >= before + 2

    await eventually(tried_again)
    proxy.silent = False
    proxy.drop()
    assert await eventually(lambda: _answers(bus))


async def test_a_handler_that_raises_costs_its_message_only(bus: Bus):
    seen: list[bytes] = []
    failures: list[int] = []
    bus.on_handler_failure(lambda: failures.append(1))

    def plain(message: Message) -> None:
        seen.append(message.data)
        raise ZeroDivisionError

    async def slow(message: Message) -> None:
        plain(message)

    await bus.subscribe("plain", plain)
    await bus.subscribe("slow", slow)
    for _ in range(3):
        bus.publish("plain", b"\xe9")
        bus.publish("slow", b"\xff")
    await bus.flush()

    async def all_seen() -> bool:
        return len(seen) == 6

    await eventually(all_seen)
    assert len(failures) == 6
    assert bus.connected
    await _serve_double(bus)


async def test_a_callback_that_raises_keeps_no_other_from_being_called(bus: Bus, proxy: Proxy):
    called = asyncio.Event()

    def bad() -> None:
        raise ZeroDivisionError

    bus.on_disconnect(bad)
    bus.on_reconnect(bad)
    bus.on_reconnect(called.set)
    proxy.drop()
    await asyncio.wait_for(called.wait(), 10)
    await _serve_double(bus)


SENT = {
    "a subject of 5,000 characters": ("a" * 5_000, {}, ""),
    "a subject of many tokens": (".".join("a" * 2_500), {}, ""),
    "a reply of 5,000 characters": ("a", {}, "r" * 5_000),
    "a reply with a line end": ("a", {}, "r\r\nPUB b 0"),
    "an empty token": ("a..b", {}, ""),
    "a wildcard": ("a.*", {}, ""),
    "a wildcard in a token": ("a.b*", {}, ""),
    "letters that are no ASCII": ("visapi.événement", {}, ""),
    "half a surrogate pair in a header": ("a", {"x": "\ud800"}, ""),
    "a line end in a header": ("a", {"x": "1\ny: 2"}, ""),
    "NUL in a header": ("a", {"x": "1\0"}, ""),
    "a header name with a colon": ("a", {"x:y": "1"}, ""),
    "an empty header name": ("a", {"": "1"}, ""),
    "headers of 64 KiB": ("a", {"x": "1" * 65_536}, ""),
    "a great many headers": ("a", {f"x{n}": "1" for n in range(20_000)}, ""),
}


@pytest.mark.parametrize(("subject", "headers", "reply"), SENT.values(), ids=SENT.keys())
async def test_what_would_end_the_connection_is_refused_here(
    bus: Bus, proxy: Proxy, subject: str, headers: dict[str, str], reply: str
):
    await _serve_double(bus)
    before = proxy.accepted
    with pytest.raises(PermanentFault):
        bus.publish(subject, b"", headers, reply=reply)
    if not reply:
        with pytest.raises(PermanentFault):
            await bus.publish_acked(subject, b"", headers=headers)
        with pytest.raises(PermanentFault):
            await bus.request(subject, b"", 1, headers=headers)
    await bus.flush()
    assert await _answers(bus)
    assert proxy.accepted == before


async def test_the_longest_subject_that_is_sent_arrives(bus: Bus):
    subject = "a." + "b" * 1_022
    got = asyncio.Event()
    await bus.subscribe("a.*", lambda _: got.set())
    bus.publish(subject, b"", {"x": "1" * 32_000}, reply="r" * 1_024)
    await asyncio.wait_for(got.wait(), 5)
