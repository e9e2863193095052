"""httpx behind the egress guard: one transport for every outbound HTTP request.

TLS and the Host header keep the original name while the connection goes to a checked address. The client
ignores proxy variables of the environment, follows no redirects and keeps no cookies.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Generator, Iterable
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast

import httpcore
import httpx

from visapi_common.adapters.egress_dial import EgressDialer, Resolver
from visapi_common.adapters.egress_stream import PacedStream
from visapi_common.adapters.egress_tls import tls_context
from visapi_common.core.egress_policy import EgressPolicy, EgressRefused, Route, target_of
from visapi_common.core.pacing import TenantPacer

FRESH = "visapi.fresh_connection"
"""Request extension: use a new connection, because the loss of a kept-alive one would be ambiguous."""

HEADERS = "visapi.headers"
"""Response extension: all headers as received, including `Location`."""

CONNECTIONS_MAX = 4096
"""More connections than a process has task slots: slots are shared fairly among tenants, connections are
not.
"""

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport that enforces the egress policy.

    Mapped origins have their own connection pools, so that a connection of a mapped origin never serves a
    request to the stand-in's own address.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        resolver: Resolver | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self._policy = policy
        dialer = EgressDialer(policy, resolver)
        context = ssl_context or tls_context()
        pace = TenantPacer(time.monotonic)
        self._pools = {
            (mapped, fresh): httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=connections_max,
                max_keepalive_connections=0 if fresh else 64,
                keepalive_expiry=5.0,
                network_backend=_GuardedBackend(dialer, pace, trusted=mapped),
            )
            for mapped in (False, True)
            for fresh in (False, True)
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises `EgressRefused`, `TransientFault`, and httpx's own errors."""
        if request.url.userinfo:
            raise EgressRefused("the URL carries credentials; send them as a header instead")
        asked = target_of(request.url.scheme, request.url.host, request.url.port)
        route = self._policy.route(asked)
        pool = self._pools[(route.mapped, FRESH in request.extensions)]
        with _httpx_errors():
            answer = await pool.handle_async_request(_core_request(request, route, asked.host))
        extensions = cast(dict[str, Any], answer.extensions)  # pyright: ignore[reportUnknownMemberType]
        # httpx parses the Location of every redirect, even if not followed, and raises foreign exceptions.
        return httpx.Response(
            status_code=answer.status,
            headers=[(name, value) for name, value in answer.headers if name.lower() != b"location"],
            stream=_ResponseStream(answer),
            extensions={**extensions, HEADERS: answer.headers},
        )

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


def open_client(
    policy: EgressPolicy,
    resolver: Resolver | None = None,
    *,
    timeout_s: float = 30.0,
    ssl_context: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """Open an outbound HTTP client behind the egress guard. Close it with `aclose()`."""
    return httpx.AsyncClient(
        transport=GuardedTransport(policy, resolver, ssl_context=ssl_context),
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 5.0)),
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": "VisAPI/1", "accept-encoding": "gzip, deflate"},
    )


def _core_request(request: httpx.Request, route: Route, sni: str) -> httpcore.Request:
    target = route.target
    timeouts = {"timeout": request.extensions.get("timeout", {})}
    if trace := request.extensions.get("trace"):
        timeouts["trace"] = trace
    if target.host != sni:
        timeouts["sni_hostname"] = sni
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=request.url.raw_path,
        ),
        headers=request.headers.raw,
        content=request.stream,
        extensions=timeouts,
    )


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """httpcore's network backend, with the guard before every connection."""

    def __init__(self, dialer: EgressDialer, pace: TenantPacer, *, trusted: bool) -> None:
        self._dialer = dialer
        self._pace = pace
        self._trusted = trusted
        self._inner = cast(httpcore.AsyncNetworkBackend, httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in await self._dialer.addresses(host, port, trusted=self._trusted):
            try:
                stream = await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
                return PacedStream(stream, self._pace)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _ResponseStream(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx_errors():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


@contextmanager
def _httpx_errors() -> Generator[None]:
    """Raise httpcore's errors as the httpx errors of the same names."""
    try:
        yield
    except _CORE_ERRORS as error:
        for kind in type(error).__mro__:
            counterpart = getattr(httpx, kind.__name__, None)
            if kind.__module__.startswith("httpcore") and counterpart is not None:
                raise counterpart(str(error) or kind.__name__) from error
        raise


_CORE_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)
