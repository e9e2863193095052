"""What becomes of an answer: from the bytes that a server sends to the task's output, on real sockets."""

import asyncio
import base64
import gzip
import zlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from kit.raw_server import RawServer, Script, answer, raw_server, saying
from visapi_common.adapters.egress import open_client
from visapi_common.adapters.egress_fetch import MalformedAnswer, exchange
from visapi_common.core.egress_policy import MalformedRedirect, policy_from
from visapi_common.core.errors import Fault, UnknownFault
from visapi_notifier.channels.http.rules import HttpInput, build_request, read_response
from visapi_notifier.delivery.rules import Ended, after_fault
from visapi_notifier.outbound.rules.reading import Sent

LOOPBACK = policy_from(["127.0.0.0/8"])
JSON = "content-type: application/json"


async def fetch(server: RawServer, **more: Any) -> Any:
    """The notifier's way: build, exchange, read."""
    wanted = msgspec.convert({"method": "get", "endpoint": server.url, **more}, HttpInput)
    client = open_client(LOOPBACK)
    try:
        outbound = build_request(wanted)
        reading = read_response(wanted, outbound, await exchange(client, outbound), now=datetime.now(UTC))
    finally:
        await client.aclose()
    return reading


async def outcome(script: Script | bytes, **more: Any) -> Any:
    """The output, or the error."""
    async with raw_server(saying(script) if isinstance(script, bytes) else script) as server:
        reading = await fetch(server, **more)
    return reading.output if isinstance(reading, Sent) else reading.error


@pytest.mark.parametrize(
    ("body", "headers", "output"),
    [
        ("é€".encode("cp1252"), ["content-type: text/plain; charset=windows-1252"], "é€"),
        ("é".encode("latin-1"), ["content-type: text/plain"], "é"),
        ("日本".encode("shift_jis"), ['content-type: text/html; charset="Shift_JIS"'], "日本"),
        ('{"a": "é"}'.encode("latin-1"), [JSON + "; charset=iso-8859-1"], {"a": "é"}),
        ('{"a": 1}'.encode("utf-16"), [JSON], {"a": 1}),
        (b'\xef\xbb\xbf{"a": 1}', [JSON], {"a": 1}),
        (b"\xef\xbb\xbftext", ["content-type: text/plain"], "text"),
        (b'{"a": 1}', ["content-type: text/json"], {"a": 1}),
        (b'{"a": 1}', ["content-type: application/vnd.api+json; profile=x"], {"a": 1}),
        (b'"a\\ud800b"', [JSON], "a\ufffdb"),
        (b'["\\ud83d\\ude00", "\\\\ud800", "\\udc00"]', [JSON], ["😀", "\\ud800", "\ufffd"]),
        (b'{"a": 1}', ["content-type: text/plain"], '{"a": 1}'),
        (b"NaN", ["content-type: text/plain"], "NaN"),
        (b"x", ["content-type: text/plain; charset=unicode_escape"], "x"),
        (b"x", ["content-type: text/plain; charset=no-such"], "x"),
        (b"\x89PNG\xff", ["content-type: image/png"], base64.b64encode(b"\x89PNG\xff").decode()),
        (b"", [JSON], None),
    ],
)  # fmt: skip
async def test_the_body_is_read_as_its_type_and_character_set_say(
    body: bytes, headers: list[str], output: Any
) -> None:
    assert await outcome(answer(body, *headers)) == output


@pytest.mark.parametrize(
    "body",
    [b"NaN", b'{"a": NaN}', b"[Infinity]", b"{", b"not json", b'{"a": "\xe9"}', b"[" * 990 + b"]" * 990, b"[1e999]"],
)  # fmt: skip
async def test_broken_json_under_a_json_type_is_a_communication_error_with_its_start(body: bytes) -> None:
    error = await outcome(answer(body, JSON))
    assert (error.type.rpartition("/")[2], error.status) == ("communication", 502)
    assert error.data["body"][:4] == body.decode("cp1252")[:4]


GZIP = "content-encoding: gzip"
PLAIN = b"hello " * 100


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(PLAIN[:300], mtime=0) + gzip.compress(PLAIN[300:], mtime=0), "gzip"),
        (gzip.compress(PLAIN, mtime=0) + b"\0" * 512, "x-gzip"),
        (zlib.compress(PLAIN), "deflate"),
        (zlib.compress(PLAIN)[2:-4], "deflate"),
        (gzip.compress(zlib.compress(PLAIN), mtime=0), "deflate, gzip"),
        (PLAIN, "identity"),
    ],
)
async def test_content_codings_are_taken_off(body: bytes, coding: str) -> None:
    script = answer(body, f"content-encoding: {coding}", "content-type: text/plain")
    assert await outcome(script) == PLAIN.decode()


async def test_an_unknown_coding_is_passed_by_as_base64() -> None:
    assert (
        await outcome(answer(b"\x00br", "content-encoding: br", JSON)) == base64.b64encode(b"\x00br").decode()
    )


@pytest.mark.parametrize(
    "script",
    [
        answer(b"short", length=100),
        answer(gzip.compress(PLAIN, mtime=0)[:-12], GZIP),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        answer(b"\x1f\x8b broken", GZIP),
    ],
)
async def test_a_body_that_was_cut_or_is_broken_is_a_communication_error(script: bytes) -> None:
    error = await outcome(script)
    assert (error.type.rpartition("/")[2], error.status, error.title) == (
        "communication",
        502,
        "Unusable response",
    )


async def test_set_cookie_stays_a_list_and_header_texts_are_utf8_or_latin1() -> None:
    lines = b"HTTP/1.1 200 OK\r\nset-cookie: a=1, x\r\nset-cookie: b=2\r\nx-u: caf\xc3\xa9\r\nx-l: caf\xe9\r\nvary: a\r\nvary: b\r\ncontent-length: 0\r\n\r\n"
    headers = (await outcome(lines, output="response"))["headers"]
    assert headers["set-cookie"] == ["a=1, x", "b=2"]
    assert (headers["x-u"], headers["x-l"], headers["vary"]) == ("café", "café", "a, b")


async def test_an_errors_body_is_its_value_up_to_64_kib_and_its_start_beyond() -> None:
    error = await outcome(answer(b'{"why": [1]}', JSON, status="422 No"))
    assert (error.status, error.data) == (422, {"body": {"why": [1]}})
    small = msgspec.json.encode(["x" * 50_000])
    assert (await outcome(answer(small, JSON, status="400 No"))).data == {"body": ["x" * 50_000]}
    large = await outcome(answer(b"\x01" * 200_000, "content-type: text/plain", status="400 No"))
    assert large.data["truncated"] is True
    assert len(msgspec.json.encode(large.data)) < 64 * 1024


@pytest.mark.parametrize(
    "script",
    [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/1.1 two OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_a_malformed_answer(script: bytes) -> None:
    async with raw_server(saying(script)) as server:
        with pytest.raises(MalformedAnswer):
            await fetch(server)


@pytest.mark.parametrize("location", ["http://xn--/", "http://[::1", "//", "http://a b/", "ftp://x/"])
async def test_a_redirect_to_what_is_no_url_is_a_communication_error(location: str) -> None:
    script = saying(
        b"HTTP/1.1 302 Go\r\nlocation: " + location.encode("latin-1") + b"\r\ncontent-length: 0\r\n\r\n"
    )
    async with raw_server(script) as server:
        with pytest.raises((MalformedRedirect, MalformedAnswer)) as caught:
            await fetch(server, redirect=True)
    assert communicates(caught.value)


def communicates(fault: Fault) -> bool:
    ended = after_fault(fault, repeatable=True, backoff_s=0.0)
    return (
        isinstance(ended, Ended) and ended.error is not None and ended.error.type.endswith("/communication")
    )


async def test_redirects_in_a_circle_and_more_than_five_are_errors() -> None:
    def leading(to: str) -> bytes:
        return f"HTTP/1.1 302 Go\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode()

    async def longer(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(leading("/" + "x" * (len(head.split()[1]))))

    for script, requests in ((saying(leading("/"), close=False), 1), (longer, 6)):
        async with raw_server(script) as server:
            with pytest.raises(MalformedAnswer):
                await fetch(server, redirect=True)
            assert len(server.requests) == requests


def dropping_second(after: int) -> tuple[Script, list[int]]:
    """A server that closes a kept connection, without an answer, when it is used again."""
    served: dict[int, int] = {}
    drops: list[int] = []

    async def script(_head: bytes, writer: asyncio.StreamWriter) -> None:
        seen = served[id(writer)] = served.get(id(writer), 0) + 1
        if seen > after:
            drops.append(seen)
            writer.close()
        else:
            writer.write(answer(b"ok", "content-type: text/plain"))

    return script, drops


@pytest.mark.parametrize(
    "again", [{"method": "get"}, {"method": "post", "headers": {"Idempotency-Key": "k"}, "body": "x"}]
)
async def test_a_kept_connection_that_drops_is_replaced_once_under_a_repeatable_request(
    again: dict[str, Any],
) -> None:
    script, drops = dropping_second(1)
    client = open_client(LOOPBACK)
    async with raw_server(script) as server:
        for _ in range(2):
            wanted = msgspec.convert({"endpoint": server.url, **again}, HttpInput)
            inbound = await exchange(client, build_request(wanted))
            assert inbound.body == b"ok"
        await client.aclose()
    assert drops == [2]


async def test_a_fresh_connection_that_drops_is_not_tried_again_here() -> None:
    script, _ = dropping_second(0)
    async with raw_server(script) as server:
        with pytest.raises(UnknownFault):
            await fetch(server)
        assert len(server.requests) == 1


async def test_null_headers_and_null_parameters_are_left_out_and_lists_repeat_a_parameter() -> None:
    async with raw_server(saying(answer(b"ok"))) as server:
        await fetch(
            server, headers={"x-none": None, "x-some": "y"}, query={"tag": ["a", "b"], "none": None, "n": 1}
        )
        await fetch(server, headers=None, query=None)
    assert server.requests[0].startswith(b"GET /?tag=a&tag=b&n=1 ")
    assert b"x-none" not in server.requests[0]
    assert b"x-some: y" in server.requests[0]
