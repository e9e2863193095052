"""Whose socket the other end of a connection is."""

import asyncio
import os
import socket

import httpx
from prometheus_client import CollectorRegistry

from visapi_common.runtime.health import HealthServer, Readiness
from visapi_common.runtime.peers import find, uid_of_peer

LINE = "   0: 0100007F:BC02 0100007F:2382 {state} 00000000:00000000 00:00000000 00000000  {uid} 0 {inode} 1"
OURS, THEIRS = ("127.0.0.1", 0x2382), ("127.0.0.1", 0xBC02)


def table(state: str = "01", uid: int = 1000, inode: int = 7) -> list[str]:
    return [LINE.format(state=state, uid=uid, inode=inode)]


def test_the_account_is_read_from_the_line_of_the_other_end():
    assert find(table(), OURS, THEIRS) == 1000
    assert find(table(), THEIRS, OURS) is None
    assert find(table(), OURS, ("127.0.0.1", 1)) is None


def test_a_closed_socket_belongs_to_nobody_though_the_table_says_root():
    assert find(table(state="06", uid=0, inode=0), OURS, THEIRS) is None
    assert find(table(uid=0, inode=0), OURS, THEIRS) is None


def test_a_real_connection_of_this_process_is_its_own():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        accepted, theirs = server.accept()
        with accepted:
            assert uid_of_peer(accepted.getsockname(), theirs) == os.geteuid()
            assert client.getsockname() == theirs


async def test_metrics_with_a_token_are_for_its_holder_and_for_the_own_account():
    health = HealthServer(CollectorRegistry(), Readiness(), token="secret")
    port = await health.start("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/livez")).status_code == 200
    await health.stop()


async def test_another_account_needs_the_token_for_the_metrics_and_nothing_else():
    if os.geteuid() != 0:
        return  # only root can ask as somebody else
    health = HealthServer(CollectorRegistry(), Readiness(), token="secret")
    port = await health.start("127.0.0.1", 0)
    try:
        assert await asked_as_nobody(port, "/metrics", "") == "401"
        assert await asked_as_nobody(port, "/metrics", "Bearer wrong") == "401"
        assert await asked_as_nobody(port, "/metrics", "Bearer secret") == "200"
        assert await asked_as_nobody(port, "/livez", "") == "200"
    finally:
        await health.stop()


async def asked_as_nobody(port: int, path: str, authorization: str) -> str:
    header = f"Authorization: {authorization}\r\n" if authorization else ""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n"
    code = (
        "import socket,sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
        "s.sendall(sys.argv[2].encode()); print(s.recv(100).decode().split()[1])"
    )
    asking = await asyncio.create_subprocess_exec(
        "/usr/bin/python3",
        "-c",
        code,
        str(port),
        request,
        stdout=asyncio.subprocess.PIPE,
        user=65534,
        group=65534,
    )
    answer, _ = await asking.communicate()
    return answer.decode().strip()
