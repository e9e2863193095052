"""Every operation under hostile queries, methods, paths, heads and bodies: refused by a problem, never a 5xx."""

import asyncio
import re
import uuid
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import pytest

from visapi_gateway.kernel.api.operation import Operation
from visapi_gateway.slices import operations

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
QUERIES = (
    b"&", b"&&", b"=", b"=x", b"%", b"%f", b"%ff", b"a=%ff", b"%ff=1", b"a=1&a=2", b";", b"a[]=1", b"%00", b"?",
    b"a=\xff", b"%26=1", b"&=&=&", b"a" * 4000, b"&" * 4000, b"a=1&" * 60, b"limit=1&limit=2", b"cursor=x",
    b"limit=9999999999999999999999", b"limit=1e3", b"limit=%EF%BC%91", b"signature=x",
)  # fmt: skip
BODIES = (
    b"\xff", b"\x00", b"[" * 5000 + b"]" * 5000, b'{"a":"\xe9"}', b'{"\\ud800":1}', b"{", b"null", b"[]", b'"x"', b"1",
    b"{}", b'{"a":1,"a":1}', b"\xef\xbb\xbf{}", b'{"name":null}', b"NaN", b"a: &a [*a]", b"%YAML 9\n---\n",
    b"{}" * 10, b'{"name":"' + b"x" * 100_000 + b'"}',
)  # fmt: skip
TYPES = (
    b"application/json",
    b"application/yaml",
    b"text/plain",
    b"\xff",
    b"application/json; charset=utf-16",
    b"",
)
HEADERS = (
    b"Content-Type: application/json\r\nContent-Type: text/html\r\n",
    b"Accept: \xff\r\n",
    b"Accept: " + b"a/b;q=0.1," * 500 + b"\r\n",
    b"Accept: */*;q=x\r\n",
    b"Idempotency-Key: \xff\r\n",
    b'Idempotency-Key: "\r\n',
    b"Prefer: wait=\xff\r\n",
    b"Prefer: wait=99999999999999999999\r\n",
    b'Prefer: wait=-1, wait=5;x="\r\n',
    b"If-None-Match: \xff, W/\r\n",
    b"Last-Event-ID: \xc3\xa9\r\n",
    b"Last-Event-ID: 99999999999999999999999\r\n",
    b"traceparent: \xff\r\n",
    b"X-Request-Id: \xff\r\n",
    b"X-Forwarded-For: \xff, 1.2.3.4\r\n",
    b"Expect: 200-maybe\r\n",
    b"Upgrade: websocket\r\nConnection: upgrade\r\n",
    b"Host: b\r\n",
    b"ce-id: %FF\r\nce-source: \xff\r\nce-type: x\r\nce-specversion: 1.0\r\n",
)
FRAMES = (
    b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"Content-Length: +2\r\n\r\n{}",
    b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    b"Content-Length: \xb2\r\n\r\n{}",
    b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b'Transfer-Encoding: chunked\r\n\r\n2;x="\r\n{}\r\n0\r\nX: y\r\n\r\n',
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: gzip\r\n\r\n{}",
)
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


class Wire:
    """Sends bytes as they are, each request on a connection of its own."""

    def __init__(self, gateway: Any) -> None:
        self._at = urlsplit(gateway.base)
        self._key = gateway.admin.encode()
        self._room = asyncio.Semaphore(24)

    async def ask(
        self, method: str, target: bytes, *, head: bytes = b"", body: bytes = b"", framed: bytes | None = None
    ) -> tuple[int, bytes]:
        framing = b"Content-Length: %d\r\n\r\n%b" % (len(body), body) if framed is None else framed
        request = b"%b %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer %b\r\n%b%b" % (
            method.encode(),
            target,
            self._key,
            head,
            framing,
        )
        async with self._room, asyncio.timeout(30):
            reader, writer = await asyncio.open_connection(self._at.hostname, self._at.port)
            try:
                writer.write(request)
                if framed is not None:
                    writer.write_eof()
                answer = await reader.read()
            finally:
                writer.close()
        found = STATUS.match(answer)
        assert found is not None or framed is not None, (request[:300], answer[:300])
        return int(found[1]) if found else 0, answer

    async def sweep(self, asked: Iterable[tuple[str, bytes, dict[str, bytes]]]) -> int:
        """Ask all of it; none of it may be a 5xx. How many were asked."""
        wanted = list(asked)
        answers = await asyncio.gather(*(self.ask(method, target, **more) for method, target, more in wanted))
        broken = [
            (method, target[:80], {name: value[:80] for name, value in more.items()}, answer[-300:])
            for (method, target, more), (status, answer) in zip(wanted, answers, strict=True)
            if status >= 500
        ]
        assert not broken, broken[:5]
        return len(wanted)


def target_of(operation: Operation) -> bytes:
    path = re.sub(r"\{\w+:uuid\}", str(uuid.uuid4()), operation.path)
    return re.sub(r"\{\w+:str\}", "x", path).encode()


def parameters(operation: Operation) -> list[str]:
    return [] if operation.query is None else list(operation.query.__struct_fields__)


ALL = [operation for operation in operations() if not operation.probe]


async def test_no_query_string_breaks_an_operation(gateway: Any) -> None:
    own = (b"null", b"", b"%00", b"-1", b"%F0%9F%98%80", b"1e999", b"x" * 600, b"2026-02-30T00:00:00Z")
    asked = [
        (operation.method, target_of(operation) + b"?" + query, {})
        for operation in ALL
        for query in (
            *QUERIES,
            *(name.encode() + b"=" + value for name in parameters(operation) for value in own),
            *(b"%b=a&%b=b" % (name.encode(), name.encode()) for name in parameters(operation)),
        )
    ]
    assert await Wire(gateway).sweep(asked) > 1500


@pytest.mark.parametrize("empty", [b"?", b"?&", b"?&&"])
async def test_an_empty_query_is_no_query(gateway: Any, empty: bytes) -> None:
    wire = Wire(gateway)
    for operation in ALL:
        if operation.method == "GET":
            target = target_of(operation)
            plain, odd = await wire.ask("GET", target), await wire.ask("GET", target + empty)
            assert plain[0] == odd[0], operation.path


async def test_every_path_tells_all_of_its_methods_and_refuses_the_others(gateway: Any) -> None:
    wire = Wire(gateway)
    for path in sorted({operation.path for operation in operations()}):
        target = next(target_of(one) for one in operations() if one.path == path)
        own = [one for one in operations() if one.path.encode() == target]
        allowed = {one.method for one in own or operations() if matches(one, target)} | {"OPTIONS"}
        allowed |= {"HEAD"} if "GET" in allowed else set()
        told = ", ".join(sorted(allowed)).encode()
        status, answer = await wire.ask("OPTIONS", target)
        assert status == 204, path
        assert b"allow: " + told + b"\r\n" in answer.lower().replace(told.lower(), told), (path, answer)
        for method in METHODS:
            if method not in allowed:
                status, answer = await wire.ask(method, target)
                assert status == 405, (method, path)
                assert b"allow: " + told.lower() in answer.lower()


def matches(operation: Operation, target: bytes) -> bool:
    pattern = re.sub(r"\{\w+:uuid\}", "[0-9a-f-]{36}", operation.path)
    return re.fullmatch(re.sub(r"\{\w+:str\}", "[^/]+", pattern), target.decode()) is not None


async def test_a_path_that_is_spelled_differently_is_not_found_and_does_nothing(gateway: Any) -> None:
    wire = Wire(gateway)
    for operation in operations():
        target = target_of(operation)
        inner = target.replace(b"/", b"//")
        last = target.rpartition(b"/")
        for odd in (
            target + b"/",
            target + b"//",
            b"/" + target,
            inner,
            last[0] + b"%2F" + last[2],
            target + b"/.",
        ):
            status, answer = await wire.ask(operation.method, odd)
            assert status in (400, 404), (operation.method, odd, answer[:200])


async def test_the_form_of_a_link_with_a_slash_at_its_end_decides_nothing(gateway: Any) -> None:
    wire = Wire(gateway)
    odd = [f"-.{'0' * 32}.{'a' * 43}", f"default.{'0' * 32}.{'a' * 43}", f"a-.{'f' * 32}.{'_' * 43}"]
    for token in odd:
        for end in (b"", b"/"):
            status, _ = await wire.ask(
                "POST",
                b"/approve/" + token.encode() + end,
                head=b"Content-Type: application/x-www-form-urlencoded\r\n",
                body=b"decision=approve",
            )
            assert status == 404


async def test_no_header_breaks_an_operation(gateway: Any) -> None:
    asked = [
        (operation.method, target_of(operation), {"head": head}) for operation in ALL for head in HEADERS
    ]
    assert await Wire(gateway).sweep(asked) > 500


async def test_no_body_breaks_an_operation(gateway: Any) -> None:
    asked = [
        (operation.method, target_of(operation), {"head": b"Content-Type: %b\r\n" % kind, "body": body})
        for operation in ALL
        if operation.body is not None or operation.method in {"PUT", "POST"}
        for kind in (*TYPES[:2], *(one.encode() for one in operation.body_types))
        for body in BODIES
    ] + [
        (operation.method, target_of(operation), {"head": b"Content-Type: %b\r\n" % kind, "body": b"{}"})
        for operation in ALL
        if operation.body is not None
        for kind in TYPES
    ]
    assert await Wire(gateway).sweep(asked) > 500


async def test_no_framing_breaks_the_gateway(gateway: Any) -> None:
    asked = [
        ("POST", target, {"head": b"Content-Type: application/json\r\n", "framed": framed})
        for target in (b"/v1/workflows/demo/hello/runs", b"/v1/keys", b"/v1/nothing", b"/livez")
        for framed in FRAMES
    ]
    await Wire(gateway).sweep(asked)
    assert (await gateway.http.get("/v1/runs")).status_code == 200


@pytest.mark.parametrize(
    "target", [b"*", b"http://b/v1/runs", b"/\xff", b"/%ff", b"/..", b"//", b"/v1/runs#x", b"a"]
)
async def test_no_target_breaks_the_gateway(gateway: Any, target: bytes) -> None:
    await Wire(gateway).sweep([(method, target, {}) for method in METHODS])
