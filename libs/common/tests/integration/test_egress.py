"""The egress guard on real sockets: what is dialled, what is followed, how much is read."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import httpx
import pytest

from visapi.stack.standins.http_server import HttpServer, Request, Response
from visapi_common.adapters.egress import open_client
from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.adapters.egress_fetch import exchange
from visapi_common.adapters.egress_proxy import EgressProxy
from visapi_common.core.egress_policy import EgressPolicy, EgressRefused, policy_from
from visapi_common.core.errors import PermanentFault, TransientFault, UnknownFault
from visapi_common.core.outbound import Outbound

LOOPBACK = policy_from(["127.0.0.0/8"])


class ScriptedResolver:
    """Answers in order, the last one for ever: what a rebinding name server does."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Site:
    """An HTTP server whose answers a test writes."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: dict[str, Response | Callable[[Request], Response]] = {}
        self._server = HttpServer(self._answer)
        self.port = 0

    async def start(self) -> "Site":
        self.port = int((await self._server.start()).rpartition(":")[2])
        return self

    async def stop(self) -> None:
        await self._server.stop()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def _answer(self, request: Request) -> Response:
        self.requests.append(request)
        answer = self.answers.get(request.target, Response(200, b"hello"))
        return answer(request) if callable(answer) else answer


Fetch = Callable[..., Awaitable[object]]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    started = await Site().start()
    yield started
    await started.stop()


async def fetch(
    url: str, policy: EgressPolicy = LOOPBACK, resolver: ScriptedResolver | None = None, **more: object
):
    client = open_client(policy, resolver)
    try:
        return await exchange(client, Outbound(str(more.pop("method", "GET")), url, **more))  # type: ignore[arg-type]
    finally:
        await client.aclose()


async def test_a_private_address_is_not_dialled_unless_allowed(site: Site) -> None:
    with pytest.raises(EgressRefused, match="loopback"):
        await fetch(site.url(), policy_from())
    assert (await fetch(site.url())).body == b"hello"
    assert len(site.requests) == 1


async def test_the_name_is_resolved_once_and_the_checked_address_is_dialled(site: Site) -> None:
    resolver = ScriptedResolver(["127.0.0.1"], ["10.0.0.1"])
    answer = await fetch(site.url(host="rebind.example"), LOOPBACK, resolver)
    assert answer.status == 200
    assert resolver.asked == ["rebind.example"]
    assert site.requests[0].headers["host"] == f"rebind.example:{site.port}"


async def test_a_name_that_rebinds_to_a_private_address_is_refused_on_its_next_connection(site: Site) -> None:
    policy = policy_from(["127.0.0.1/32"])
    resolver = ScriptedResolver(["127.0.0.1"], ["127.0.0.2"])
    await fetch(site.url(host="rebind.example"), policy, resolver)
    with pytest.raises(EgressRefused):
        await fetch(site.url(host="rebind.example"), policy, resolver)


async def test_a_mixed_answer_is_refused_whole(site: Site) -> None:
    with pytest.raises(EgressRefused):
        await fetch(
            site.url(host="mixed.example"), policy_from(), ScriptedResolver(["93.184.216.34", "127.0.0.1"])
        )


async def test_a_mapped_origin_reaches_its_stand_in_with_its_own_host_header(site: Site) -> None:
    policy = policy_from(origins={"https://api.example.com": f"http://127.0.0.1:{site.port}"})
    answer = await fetch("https://api.example.com/v1/x", policy)
    assert answer.body == b"hello"
    assert site.requests[0].headers["host"] == "api.example.com"
    with pytest.raises(EgressRefused):
        await fetch(site.url(), policy)


async def test_a_kept_connection_of_a_mapped_origin_serves_nobody_else(site: Site) -> None:
    policy = policy_from(origins={"https://api.example.com": f"http://127.0.0.1:{site.port}"})
    client = open_client(policy)
    await exchange(client, Outbound("GET", "https://api.example.com/"))
    with pytest.raises(EgressRefused):
        await exchange(client, Outbound("GET", site.url()))
    await client.aclose()


async def test_proxies_of_the_environment_are_ignored(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await fetch(site.url())).status == 200


async def test_a_redirect_is_not_followed_unless_asked(site: Site) -> None:
    site.answers["/"] = Response(302, headers={"location": "/next"})
    assert (await fetch(site.url())).status == 302
    assert (await fetch(site.url(), redirects=1)).body == b"hello"


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
        "http://2130706434:{port}/",
        "//127.0.0.2:{port}/",
        "file:///etc/passwd",
        "HTTP://127.0.0.2:{port}/",
        "http://user@127.0.0.1:{port}/",
        "gopher://127.0.0.1:{port}/",
        "http://169.254.169.254/latest/",
    ],
)
async def test_every_hop_of_a_redirect_is_checked(site: Site, location: str) -> None:
    site.answers["/"] = Response(302, headers={"location": location.format(port=site.port)})
    with pytest.raises(EgressRefused):
        await fetch(site.url(), policy_from(["127.0.0.1/32"]), redirects=3)
    assert len(site.requests) == 1


async def test_credentials_stay_behind_when_a_redirect_leaves_the_origin(site: Site) -> None:
    other = await Site().start()
    site.answers["/"] = Response(307, headers={"location": other.url("/landed")})
    headers = [
        ("authorization", "Bearer s3cret"),
        ("x-api-key", "s3cret"),
        ("cookie", "a=1"),
        ("accept", "text/plain"),
    ]
    await fetch(site.url(), redirects=2, headers=headers)
    assert "s3cret" not in str(other.requests[0].headers)
    assert "cookie" not in other.requests[0].headers
    assert other.requests[0].headers["accept"] == "text/plain"
    await other.stop()


async def test_cookies_of_one_exchange_never_reach_the_next(site: Site) -> None:
    site.answers["/"] = Response(200, headers={"set-cookie": "session=1; Path=/"})
    client = open_client(LOOPBACK)
    for _ in range(2):
        await exchange(client, Outbound("GET", site.url()))
    await client.aclose()
    assert "cookie" not in site.requests[1].headers


async def test_a_large_body_is_cut_at_the_limit(site: Site) -> None:
    site.answers["/"] = Response(200, b"x" * 300_000)
    answer = await fetch(site.url(), body_max_bytes=100_000)
    assert len(answer.body) == 100_000
    assert answer.cut


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_decompression_bomb_never_unfolds(site: Site, encoding: str) -> None:
    raw = b"\0" * (200 * 1024 * 1024)
    bomb = gzip.compress(raw, 9) if encoding == "gzip" else zlib.compress(raw, 9)
    site.answers["/"] = Response(200, bomb, {"content-encoding": encoding})
    answer = await fetch(site.url())
    assert answer.cut
    assert len(answer.body) <= 10 * 1024 * 1024


async def test_an_honest_compressed_body_is_read(site: Site) -> None:
    site.answers["/"] = Response(200, gzip.compress(b'{"a": 1}'), {"content-encoding": "gzip"})
    answer = await fetch(site.url())
    assert answer.body == b'{"a": 1}'
    assert answer.cut is None


async def test_nobody_listening_is_a_definite_failure(site: Site) -> None:
    port = site.port
    await site.stop()
    with pytest.raises(TransientFault, match="nothing was sent"):
        await fetch(f"http://127.0.0.1:{port}/", method="POST", body=b"x")


async def test_a_connection_that_breaks_after_the_request_is_an_unknown_outcome(site: Site) -> None:
    site.answers["/"] = Response(reset=True)
    with pytest.raises(UnknownFault):
        await fetch(site.url(), method="POST", body=b"x")
    site.answers["/"] = Response(delay_s=60)
    with pytest.raises(UnknownFault):
        await fetch(site.url(), method="POST", body=b"x", timeout_s=0.3)


async def test_an_answer_that_trickles_is_given_up_at_the_deadline() -> None:
    async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:
            writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(UnknownFault):
        await fetch(f"http://127.0.0.1:{port}/", timeout_s=0.4)
    server.close()


@pytest.mark.parametrize(
    "header", [("x-a", "b\r\nx-c: d"), ("x a", "b"), ("x-a\r\nx-c", "d"), ("x-a", "b\0c")]
)
async def test_a_header_that_would_smuggle_another_never_leaves(site: Site, header: tuple[str, str]) -> None:
    with pytest.raises(PermanentFault):
        await fetch(site.url(), headers=[header])
    assert site.requests == []


async def test_a_dialled_connection_is_guarded_too(site: Site) -> None:
    with pytest.raises(EgressRefused):
        await EgressDialer(policy_from()).dial("127.0.0.1", site.port)
    _, writer = await EgressDialer(policy_from()).open_connection("127.0.0.1", site.port, trusted=True)
    writer.close()


async def proxied(proxy_port: int, url: str) -> httpx.Response:
    async with httpx.AsyncClient(proxy=f"http://127.0.0.1:{proxy_port}", trust_env=False) as client:
        return await client.get(url)


async def test_the_proxy_forwards_what_is_allowed_and_refuses_the_rest(site: Site) -> None:
    proxy = EgressProxy(policy_from(["127.0.0.1/32"]), ScriptedResolver(["127.0.0.1"], ["127.0.0.2"]))
    port = await proxy.start()
    try:
        assert (await proxied(port, site.url(host="a.example"))).text == "hello"
        refused = await proxied(port, site.url(host="a.example"))
        assert refused.status_code == 403
        assert "loopback" in refused.text
        assert proxy.refused == 1
        assert len(site.requests) == 1
    finally:
        await proxy.stop()


@pytest.mark.parametrize(
    "authority", ["127.0.0.2:443", "[::1]:443", "2130706433:443", "a@127.0.0.1:443", "127.0.0.1:22", "x"]
)
async def test_the_proxy_opens_no_tunnel_to_a_refused_place(authority: str) -> None:
    proxy = EgressProxy(policy_from(["127.0.0.1/32"]))
    reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.start())
    writer.write(f"CONNECT {authority} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] in (b"403", b"400")
    writer.close()
    await proxy.stop()


async def test_a_tunnel_carries_bytes_both_ways(site: Site) -> None:
    proxy = EgressProxy(policy_from([f"127.0.0.1:{site.port}"]))
    reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.start())
    writer.write(f"CONNECT 127.0.0.1:{site.port} HTTP/1.1\r\n\r\n".encode())
    assert b"200" in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"GET /inside HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"hello")
    assert site.requests[0].target == "/inside"
    writer.close()
    await proxy.stop()


async def test_a_second_request_never_follows_the_first_through_one_proxy_connection(site: Site) -> None:
    other = await Site().start()
    proxy = EgressProxy(LOOPBACK)
    reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.start())
    for place in (site, other):
        writer.write(f"GET {place.url('/secret')} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    answer = await reader.read()
    assert answer.count(b"hello") == 1
    assert b"connection: close" in answer.lower()
    assert len(site.requests) == 1
    assert other.requests == []
    writer.close()
    await proxy.stop()
    await other.stop()


async def test_the_proxy_refuses_requests_it_cannot_delimit(site: Site) -> None:
    proxy = EgressProxy(LOOPBACK)
    port = await proxy.start()
    for head in (
        f"POST {site.url()} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
        f"POST {site.url()} HTTP/1.1\r\ncontent-length: ten\r\n\r\n",
        f"GET {site.url()} HTTP/1.1\r\nbad line\r\n\r\n",
        "nonsense\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode())
        assert b" 400 " in await reader.readline()
        writer.close()
    assert site.requests == []
    await proxy.stop()
