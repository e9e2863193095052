"""Health probes of the stack's processes, in bounded time. None of these functions raises."""

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable

import msgspec

from visapi.stack.ports import LOOPBACK
from visapi_common.contracts.foreign import Unreadable, read_as

PROBE_S = 2.0
_HEAD_BYTES = 16 * 1024
_ACCEPTS_EVERY_S = 10.0
_SSL_REQUEST = struct.pack(">II", 8, 80877103)


class Health(msgspec.Struct, frozen=True):
    """`answers`: the process said something. `ready`: it said that it serves. `detail`: what it lacks."""

    answers: bool
    ready: bool
    detail: str = ""


SILENT = Health(answers=False, ready=False)
SERVES = Health(answers=True, ready=True)

Probe = Callable[[], Awaitable[Health]]


def is_ready(probe: Probe) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return (await probe()).ready

    return ready


class _Report(msgspec.Struct):
    """What `/readyz` says."""

    stopping: bool = False
    checks: dict[str, bool] = {}


def readyz(port: int) -> Probe:
    """The health of a service by `/readyz`, which its event loop answers whatever its stores do."""

    async def probe() -> Health:
        answer = await _ask(port, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1."):
            return SILENT
        if head.partition(b" ")[2].startswith(b"200"):
            return SERVES
        return Health(answers=True, ready=False, detail=_lacking(body))

    return probe


def nats_pong(port: int, user: str, password: str) -> Probe:
    """The health of a NATS server: it authenticates a user, has JetStream, and answers a ping."""
    connect = msgspec.json.encode(
        {"user": user, "pass": password, "verbose": False, "pedantic": False, "lang": "probe", "version": "1"}
    )

    async def probe() -> Health:
        answer = await _ask(port, b"CONNECT " + connect + b"\r\nPING\r\n", until=b"PONG\r\n")
        if not answer.startswith(b"INFO "):
            return SILENT
        if b"PONG\r\n" not in answer:
            return Health(answers=True, ready=False, detail="it refuses connections")
        if b'"jetstream":true' not in answer:
            return Health(answers=True, ready=False, detail="JetStream is off")
        return SERVES

    return probe


def postgres_answers(port: int, accepts: Callable[[], Awaitable[bool]]) -> Probe:
    """The health of a PostgreSQL server. Each probe asks for TLS, which a backend answers without
    authentication; whether clients are let in (`accepts`) is asked at first, after a refusal, and every 10 s.
    """
    asked_at = -_ACCEPTS_EVERY_S

    async def probe() -> Health:
        nonlocal asked_at
        if await _ask(port, _SSL_REQUEST, until=b"N") != b"N":
            asked_at = -_ACCEPTS_EVERY_S
            return SILENT
        now = time.monotonic()
        if now - asked_at >= _ACCEPTS_EVERY_S:
            if not await accepts():
                return Health(answers=True, ready=False, detail="it refuses connections")
            asked_at = now
        return SERVES

    return probe


def _lacking(body: bytes) -> str:
    report = read_as(_Report, body)
    if isinstance(report, Unreadable):
        return ""
    if report.stopping:
        return "stopping"
    return ", ".join(sorted(name for name, ok in report.checks.items() if not ok))


async def _ask(port: int, request: bytes, *, until: bytes = b"") -> bytes:
    """What is answered up to `until`, the end of the stream, or the end of patience."""
    answer = b""
    try:
        async with asyncio.timeout(PROBE_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(request)
                while part := await reader.read(_HEAD_BYTES):
                    answer += part
                    if (until and until in answer) or len(answer) > _HEAD_BYTES:
                        break
            finally:
                writer.close()
    except (OSError, TimeoutError):
        # Silence is an answer too: the caller decides by the part that arrived.
        return answer
    return answer
