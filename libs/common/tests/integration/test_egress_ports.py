"""The ports of the egress proxy: what one document asks for without end delays no other document."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from kit.raw_server import RawServer, answer, raw_server, saying
from kit.waiting import eventually
from visapi_common.adapters.egress_proxy import CONNECTIONS_MAX, EgressProxy
from visapi_common.core.egress_policy import policy_from
from visapi_common.core.pacing import Bucket

LOOPBACK = policy_from(["127.0.0.0/8"])


@pytest.fixture
async def site() -> AsyncIterator[RawServer]:
    """Greets whoever asks, again and again on one connection."""
    async with raw_server(saying(answer(b"hello"), close=False)) as started:
        yield started


async def proxied(proxy_port: int, url: str) -> httpx.Response:
    proxy = f"http://127.0.0.1:{proxy_port}"
    async with httpx.AsyncClient(proxy=proxy, trust_env=False, timeout=60) as client:
        return await client.get(url)


async def test_a_document_that_asks_without_end_is_answered_more_slowly_and_another_is_not(
    site: RawServer,
) -> None:
    proxy = EgressProxy(LOOPBACK)
    busy, other = await proxy.open_port("busy"), await proxy.open_port("other")
    busy.connections = Bucket(0.01, 10, time.monotonic)
    asked = [asyncio.create_task(proxied(busy.number, site.url)) for _ in range(20)]
    await eventually(lambda: sum(one.done() for one in asked) == 10)
    await asyncio.gather(*(proxied(other.number, site.url) for _ in range(20)))
    assert {one.result().text for one in asked if one.done()} == {"hello"}
    assert sum(one.done() for one in asked) == 10, "the eleventh has its turn in a hundred seconds"
    for one in asked:
        one.cancel()
    await asyncio.wait(asked)
    await proxy.stop()


async def test_the_pieces_of_a_tunnel_are_paced_too(site: RawServer) -> None:
    proxy = EgressProxy(LOOPBACK)
    port = await proxy.open_port("busy")
    port.chunks = Bucket(50, 5, time.monotonic)
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    writer.write(f"CONNECT 127.0.0.1:{site.port} HTTP/1.1\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    began = time.monotonic()
    for _ in range(15):
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await reader.readuntil(b"hello")
    assert time.monotonic() - began > 0.4
    writer.close()
    await proxy.stop()


async def test_what_one_document_leaves_open_takes_no_connections_from_another(site: RawServer) -> None:
    proxy = EgressProxy(LOOPBACK)
    greedy, other = await proxy.open_port("greedy"), await proxy.open_port("other")
    opened = [await asyncio.open_connection("127.0.0.1", greedy.number) for _ in range(CONNECTIONS_MAX)]
    assert (await proxied(other.number, site.url)).text == "hello"
    await proxy.close_port(greedy)
    assert [await reader.read() for reader, _ in opened[:3]] == [b"", b"", b""]
    for _, writer in opened:
        writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", greedy.number)
    await proxy.stop()
