"""Bounds of one peer: places, bytes, times. Others do not notice them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from kit.servers import NatsServer

RUNS = "/v1/workflows/demo/hello/runs"


class Peer:
    """A connection that sends exactly the bytes it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def post(self, key: str | None, *, size: int = 1000, sent: bytes = b"") -> None:
        """The head of a start, and the beginning of its body."""
        who = b"" if key is None else b"Authorization: Bearer " + key.encode() + b"\r\n"
        head = (
            b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
        )
        await self.say(head % (RUNS.encode(), size, who) + sent)

    async def get(self, path: str, key: str, accept: str = "*/*") -> None:
        await self.say(
            f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nAccept: {accept}\r\n\r\n".encode()
        )

    async def head(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def end(self) -> bytes:
        """Everything until the other side closes."""
        async with asyncio.timeout(10):
            parts = []
            with contextlib.suppress(ConnectionError):
                while part := await self.reader.read(65536):
                    parts.append(part)
            return b"".join(parts)


class Peers:
    def __init__(self, gateway: Any) -> None:
        self._at = urlsplit(gateway.base)
        self._open: list[Peer] = []

    async def one(self, *, limit: int = 65536) -> Peer:
        reader, writer = await asyncio.open_connection(self._at.hostname, self._at.port, limit=limit)
        self._open.append(Peer(reader, writer))
        return self._open[-1]

    def close(self) -> None:
        for peer in self._open:
            peer.writer.close()


@contextlib.asynccontextmanager
async def peers_of(gateway: Any) -> AsyncIterator[Peers]:
    peers = Peers(gateway)
    try:
        yield peers
    finally:
        peers.close()


def metric(gateway: Any, name: str, **labels: str) -> float:
    return gateway.lifecycle.metrics.registry.get_sample_value(name, labels) or 0.0


async def holds(gateway: Any, name: str, value: float) -> None:
    async def is_so() -> bool:
        return metric(gateway, name) == value

    await gateway.until(is_so)


def problem_of(answer: bytes) -> dict[str, Any]:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def test_a_connection_that_says_nothing_or_half_a_head_is_closed(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, head_s=0.2) as gateway, peers_of(gateway) as peers:
        silent, slow, dripping = [await peers.one() for _ in range(3)]
        await slow.say(b"GET / HTTP/1.1\r\nHost:")
        await dripping.say(b"\r\n")
        assert await silent.end() == b""
        assert b"408" in await slow.end()
        assert await dripping.end() == b""


async def test_empty_lines_do_not_keep_an_idle_connection_open(serve: Any, shared_nats: NatsServer) -> None:
    async with serve(shared_nats, idle_s=0.5) as gateway, peers_of(gateway) as peers:
        peer = await peers.one()
        await peer.say(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        await peer.head()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while not peer.reader.at_eof():
                    await peer.say(b"\r\n")
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.1):
                            await peer.reader.read(1000)
        assert metric(gateway, "visapi_http_connections_closed_total", reason="idle") >= 1


async def test_a_body_without_a_key_is_refused_before_it_comes(gateway: Any) -> None:
    await gateway.deploy()
    async with peers_of(gateway) as peers:
        for sent in (b"", b'{"a'):
            peer = await peers.one()
            await peer.post(None, sent=sent)
            assert b" 401 " in await peer.head()
    assert metric(gateway, "visapi_http_requests_held") == 0


async def test_the_rest_of_a_refused_body_is_not_waited_for(gateway: Any) -> None:
    async with peers_of(gateway) as peers:
        peer = await peers.one()
        await peer.post(None, size=1_000_000, sent=b"{")
        async with asyncio.timeout(10):
            await peer.end()


async def test_a_form_is_read_only_for_a_link_that_opens_something(gateway: Any) -> None:
    async with peers_of(gateway) as peers:
        peer = await peers.one()
        await peer.say(
            b"POST /approve/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        assert b" 404 " in await peer.head()


async def test_a_body_that_drips_ends_with_408_although_each_part_is_in_time(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, body_s=0.6) as gateway, peers_of(gateway) as peers:
        await gateway.deploy()
        peer = await peers.one()
        await peer.post(gateway.admin)
        reading = asyncio.create_task(peer.end())
        while not reading.done():
            with contextlib.suppress(ConnectionError):
                await peer.say(b" ")
            await asyncio.wait({reading}, timeout=0.1)
        assert problem_of(reading.result())["code"] == "request_timeout"


async def test_a_large_body_gets_time_for_its_bytes(serve: Any, shared_nats: NatsServer) -> None:
    async with (
        serve(shared_nats, body_s=0.2, body_bytes_per_s=1000) as gateway,
        peers_of(gateway) as peers,
    ):
        await gateway.deploy()
        peer = await peers.one()
        await peer.post(gateway.admin, size=5002, sent=b'"' + b"x" * 5000)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.8):
                await peer.reader.read(1)
        await peer.say(b'"')
        assert b" 202 " in await peer.head()


async def test_a_key_with_all_its_places_taken_is_refused_and_others_are_not(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, requests_per_key=2) as gateway, peers_of(gateway) as peers:
        await gateway.deploy()
        other = await gateway.key("other")
        await gateway.until(lambda: knows(gateway, other))
        for _ in range(2):
            await (await peers.one()).post(gateway.admin)
        await holds(gateway, "visapi_http_requests_held", 2)
        assert metric(gateway, "visapi_http_in_flight") == 2
        refused = await gateway.http.get("/v1/runs")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_open")
        assert int(refused.headers["retry-after"]) > 0
        async with gateway.client(other) as client:
            assert (await client.get("/v1/runs")).status_code == 200
        assert (await gateway.http.get("/readyz")).status_code == 200
        peers.close()
        await holds(gateway, "visapi_http_requests_held", 0)
        assert (await gateway.http.get("/v1/runs")).status_code == 200


async def test_many_keys_of_one_tenant_leave_places_to_another_tenant(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, requests_max=6) as gateway, peers_of(gateway) as peers:
        keys = [await gateway.key("greedy") for _ in range(6)]
        other = await gateway.key("other")
        await gateway.until(lambda: knows(gateway, other))
        for key in keys:
            await (await peers.one()).post(key)
        await holds(gateway, "visapi_http_requests_held", 3)
        async with gateway.client(other) as client:
            assert (await client.get("/v1/runs")).status_code == 200
        async with gateway.client(keys[0]) as client:
            assert (await client.get("/v1/runs")).json()["code"] == "too_many_open"


async def test_followers_and_waiters_take_no_places_of_requests(serve: Any, shared_nats: NatsServer) -> None:
    async with (
        serve(shared_nats, requests_per_key=1, streams_per_key=2) as gateway,
        peers_of(gateway) as peers,
    ):
        await gateway.deploy()
        run = (await gateway.start({"name": "Ada"})).json()["id"]
        for _ in range(2):
            peer = await peers.one()
            await peer.get(f"/v1/runs/{run}/history", gateway.admin, "text/event-stream")
            assert b" 200 " in await peer.head()
        await holds(gateway, "visapi_http_streams_held", 2)
        assert metric(gateway, "visapi_http_requests_held") == 0
        events = {"Accept": "text/event-stream"}
        refused = await gateway.http.get(f"/v1/runs/{run}/history", headers=events)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_open")
        unwaited = await gateway.start({"name": "Bob"}, Prefer="wait=10")
        assert unwaited.status_code == 202
        assert "preference-applied" not in unwaited.headers
        peers.close()
        await holds(gateway, "visapi_http_streams_held", 0)


async def test_a_follower_behind_whom_another_request_waits_is_let_go_with_its_connection(
    gateway: Any,
) -> None:
    await gateway.deploy()
    run = (await gateway.start({"name": "Ada"})).json()["id"]
    async with peers_of(gateway) as peers:
        peer = await peers.one()
        await peer.get(f"/v1/runs/{run}/history", gateway.admin, "text/event-stream")
        await peer.get("/v1/runs", gateway.admin)
        await holds(gateway, "visapi_http_streams_held", 1)
        peers.close()
        await holds(gateway, "visapi_http_streams_held", 0)


async def test_where_connections_are_full_the_oldest_idle_one_makes_room(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, connections_max=8) as gateway, peers_of(gateway) as peers:
        silent = [await peers.one() for _ in range(20)]
        assert (await gateway.http.get("/v1/runs")).status_code == 200
        assert await silent[0].end() == b""
        assert metric(gateway, "visapi_http_connections_closed_total", reason="full") > 0


async def large_run(gateway: Any) -> str:
    await gateway.deploy()
    large = {"name": "x" * 900_000}
    run = (await gateway.http.post(RUNS, content=json.dumps(large), headers=JSON)).json()["id"]
    return f"/v1/runs/{run}"


JSON = {"Content-Type": "application/json"}


async def test_a_reader_who_does_not_read_loses_its_connection_and_its_place(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, answer_s=0.3, answer_bytes_per_s=10**9) as gateway:
        path = await large_run(gateway)
        async with peers_of(gateway) as peers:
            for _ in range(5):
                peer = await peers.one(limit=1024)
                for _ in range(20):
                    await peer.get(path, gateway.admin)

            async def are_cut() -> bool:
                return metric(gateway, "visapi_http_connections_closed_total", reason="answer") == 5

            await gateway.until(are_cut)
            await holds(gateway, "visapi_http_requests_held", 0)
            await holds(gateway, "visapi_http_buffered_bytes", 0)


async def test_bytes_that_wait_for_slow_readers_are_bounded_and_others_read(
    serve: Any, shared_nats: NatsServer
) -> None:
    async with serve(shared_nats, buffered_bytes_max=3 * 1024 * 1024) as gateway, peers_of(gateway) as peers:
        path = await large_run(gateway)
        for _ in range(8):
            peer = await peers.one(limit=1024)
            for _ in range(8):
                await peer.get(path, gateway.admin)

        async def is_full() -> bool:
            return metric(gateway, "visapi_http_buffered_bytes") > 1_500_000

        await gateway.until(is_full)

        async def is_refused() -> bool:
            answer = await gateway.http.get(path)
            return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "retry-after" in answer.headers

        await gateway.until(is_refused)
        assert metric(gateway, "visapi_http_buffered_bytes") < 4_000_000
        assert (await gateway.http.get("/v1/runs")).status_code == 200


async def test_trailers_join_no_headers_and_are_bounded(gateway: Any) -> None:
    await gateway.deploy()
    head = (
        f"POST {RUNS} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {gateway.admin}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    ).encode()
    async with peers_of(gateway) as peers:
        honest, flood = await peers.one(), await peers.one()
        await honest.say(head + b"Idempotency-Key: later\r\n\r\n")
        assert b" 202 " in await honest.head()
        with contextlib.suppress(ConnectionError):
            for n in range(5000):
                await flood.say((head if n == 0 else b"") + b"X-%d: %b\r\n" % (n, b"x" * 1000))
        assert b" 202 " not in await flood.end()


async def knows(gateway: Any, key: str) -> bool:
    async with gateway.client(key) as client:
        return (await client.get("/v1/keys/current")).status_code == httpx.codes.OK
