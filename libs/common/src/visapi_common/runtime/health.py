"""`/metrics`, `/livez` and `/readyz` on a separate port.

Liveness only says that the event loop runs. It does not depend on PostgreSQL or NATS, so that the outage of a
store restarts no service. Readiness requires all named checks that the service reports.

Metrics contain the names of tenants' functions. With a token set, they need the token (`Authorization:
Bearer`), except from processes of the service's own account on this machine.
"""

import asyncio
import hmac
import os
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from visapi_common.runtime.peers import address_of, uid_of_peer

HEAD_LIMIT = 16 * 1024
"""Bytes of request line and headers; scrapers send a few hundred."""
READ_TIMEOUT_S = 5.0


class Readiness:
    """Named checks. Ready when at least one check is reported, all pass, and the service is not stopping."""

    def __init__(self) -> None:
        self._checks: dict[str, bool] = {}
        self._stopping = False

    def report(self, check: str, ok: bool) -> bool:
        """Set a check; returns whether it changed."""
        changed = self._checks.get(check) is not ok
        self._checks[check] = ok
        return changed

    def stop(self) -> None:
        self._stopping = True

    @property
    def ready(self) -> bool:
        return not self._stopping and bool(self._checks) and all(self._checks.values())

    def view(self) -> Mapping[str, object]:
        return {"ready": self.ready, "stopping": self._stopping, "checks": dict(self._checks)}


class HealthServer:
    """A small HTTP/1.1 server: three paths, GET and HEAD, one request per connection."""

    def __init__(self, registry: CollectorRegistry, readiness: Readiness, *, token: str = "") -> None:
        self._registry = registry
        self._readiness = readiness
        self._token = token.encode()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the actual port. Raises `OSError` when the port is in use."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=HEAD_LIMIT)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head, writer))
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            # The scraper disconnected or sent something other than HTTP: there is no one to answer.
            return
        finally:
            writer.close()

    def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> bytes:
        lines = head.decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in {"GET", "HEAD"}:
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"use GET\n", method)
        if path == "/livez":
            return _response(HTTPStatus.OK, "text/plain", b"ok\n", method)
        if path == "/readyz":
            status = HTTPStatus.OK if self._readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE
            return _response(status, "application/json", msgspec.json.encode(self._readiness.view()), method)
        if path == "/metrics":
            if not self._may_read_metrics(lines, writer):
                body = b"send the metrics token: Authorization: Bearer <token>\n"
                return _response(HTTPStatus.UNAUTHORIZED, "text/plain", body, method)
            encode, media_type = choose_encoder(_header(lines, "accept"))
            return _response(HTTPStatus.OK, media_type, encode(self._registry), method)
        return _response(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics /livez /readyz\n", method)

    def _may_read_metrics(self, lines: list[str], writer: asyncio.StreamWriter) -> bool:
        if not self._token:
            return True
        scheme, _, given = _header(lines, "authorization").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("latin-1"), self._token):
            return True
        ours, theirs = (address_of(writer.get_extra_info(name)) for name in ("sockname", "peername"))
        return ours is not None and theirs is not None and uid_of_peer(ours, theirs) == os.geteuid()


def _header(lines: list[str], name: str) -> str:
    for line in lines[1:]:
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip()
    return ""


def _response(status: HTTPStatus, media_type: str, body: bytes, method: str) -> bytes:
    challenge = "WWW-Authenticate: Bearer\r\n" if status is HTTPStatus.UNAUTHORIZED else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"{challenge}"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    ).encode("latin-1")
    return head if method == "HEAD" else head + body
