"""Which origins of browsers may read answers."""

import msgspec
import pytest

from visapi_gateway.kernel.asgi.cors import CrossOrigin
from visapi_gateway.kernel.asgi.http import Header, Message, Receive, Scope, Send
from visapi_gateway.settings import Origin

APP = "https://app.example.com"


async def app(scope: Scope, _: Receive, send: Send) -> None:
    """Answers OPTIONS with the methods of the path, as the shell does."""
    allow = [(b"allow", b"GET, HEAD, OPTIONS")] if scope["method"] == "OPTIONS" else []
    await send({"type": "http.response.start", "status": 200, "headers": allow})
    await send({"type": "http.response.body", "body": b""})


async def answered(path: str, *origins: str, method: str = "GET", asks: bool = False) -> dict[bytes, bytes]:
    given: list[Header] = [(b"origin", origin.encode()) for origin in origins]
    if asks:
        given.append((b"access-control-request-method", b"GET"))
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    scope = {"type": "http", "method": method, "path": path, "headers": given}
    await CrossOrigin(app, [APP, "http://localhost:5173"])(scope, receive, send)
    return dict(sent[0]["headers"])


async def test_an_origin_of_the_list_may_read() -> None:
    headers = await answered("/v1/runs", APP)
    assert (headers[b"access-control-allow-origin"], headers[b"vary"]) == (APP.encode(), b"origin")
    assert b"access-control-allow-credentials" not in headers
    assert b"ETag" in headers[b"access-control-expose-headers"]


@pytest.mark.parametrize(
    "origins",
    [
        (), ("null",), ("*",), ("",), (f"{APP}.evil.example",), ("https://evil-app.example.com",), (f"{APP}/",),
        (f"{APP}:443",), ("http://app.example.com",), ("HTTPS://APP.EXAMPLE.COM",), (APP, APP), (APP, "null"),
        (f"{APP}, https://evil.example",), ("https://example.com",), ("https://app.example.com\x00",),
    ],
)  # fmt: skip
async def test_any_other_origin_learns_nothing(origins: tuple[str, ...]) -> None:
    assert await answered("/v1/runs", *origins) == {b"vary": b"origin"}
    preflight = await answered("/v1/runs", *origins, method="OPTIONS", asks=True)
    assert preflight == {b"vary": b"origin", b"allow": b"GET, HEAD, OPTIONS"}


@pytest.mark.parametrize("path", ["/docs", "/approve/x", "/problems", "/livez", "/v1", "/v2/runs"])
async def test_pages_are_not_opened(path: str) -> None:
    assert await answered(path, APP) == {}
    assert await answered(path, APP, method="OPTIONS", asks=True) == {b"allow": b"GET, HEAD, OPTIONS"}


async def test_a_preflight_is_answered_with_the_methods_of_the_path() -> None:
    headers = await answered("/v1/runs", APP, method="OPTIONS", asks=True)
    assert headers[b"access-control-allow-methods"] == b"GET, HEAD, OPTIONS"
    assert b"Authorization" in headers[b"access-control-allow-headers"]
    assert b"access-control-allow-methods" not in await answered("/v1/runs", APP, method="OPTIONS")
    assert b"access-control-allow-methods" not in await answered("/v1/runs", APP, asks=True)


@pytest.mark.parametrize(
    "text", [APP, "http://localhost:5173", "http://127.0.0.1:8080", "https://[::1]:3000"]
)
def test_origins_of_the_setting_are_those_of_browsers(text: str) -> None:
    assert msgspec.convert(text, Origin) == text


@pytest.mark.parametrize(
    "text",
    [
        "*", "null", "app.example.com", f"{APP}/", f"{APP}/path", "https://*.example.com", "https://App.example.com",
        "ftp://a", "https://", "https://a b", "https://a:0", "https://user@a", "https://a?b", f"{APP}\nx",
    ],
)  # fmt: skip
def test_what_no_browser_sends_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, Origin)
