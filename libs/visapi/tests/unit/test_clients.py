"""Both clients, against a server that pages, fails and remembers: retries, keys, lists, typed errors."""

import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from visapi.client import AsyncClient, Client, UnreachableError, errors
from visapi_common.contracts.secrets import SecretView

RUN = {
    "id": "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d",
    "workflow": {"namespace": "d", "name": "w", "version": "1.0.0"},
    "status": "completed",
    "input": None,
    "output": 1,
    "error": None,
    "created_at": "2026-11-24T12:00:00Z",
    "started_at": None,
    "ended_at": None,
    "attributes": {},
    "links": {},
}
SECRET = {"hosts": None, "updated_at": "2026-11-24T12:00:00Z", "updated_by": "key:a"}


class Server(ThreadingHTTPServer):
    """Answers from `answers` while there are some: status, headers and body of each request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.answers: list[tuple[int, dict[str, str], Any]] = []
        self.seen: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append((self.path, self.headers.get("Idempotency-Key")))
        status, headers, body = self.server.answers.pop(0)
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 (the name that the server calls)

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 (the name of the base class)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()


def problem(status: int, code: str) -> dict[str, Any]:
    return {"type": "t", "title": code, "status": status, "code": code}


async def start_blocking(url: str) -> str:
    with Client(url, "key") as client:
        return str(client.runs.start("d/w", {"a": 1}).id)


async def start_asynchronous(url: str) -> str:
    async with AsyncClient(url, "key") as client:
        return str((await client.runs.start("d/w", {"a": 1})).id)


Start = Callable[[str], Coroutine[Any, Any, str]]
BOTH = pytest.mark.parametrize("start", [start_blocking, start_asynchronous])


@BOTH
async def test_a_start_is_repeated_under_one_key_while_the_gateway_is_away(server: Server, start: Start):
    server.answers = [
        (503, {"Retry-After": "0"}, problem(503, "unavailable")),
        (502, {}, "bad gateway"),
        (202, {}, RUN),
    ]
    assert await start(server.url) == RUN["id"]
    assert len(server.seen) == 3
    assert len({key for _, key in server.seen}) == 1
    assert server.seen[0][1]


@BOTH
async def test_a_refusal_is_not_repeated_and_has_its_class(server: Server, start: Start):
    server.answers = [(429, {"Retry-After": "86400"}, problem(429, "run_quota_exceeded"))]
    with pytest.raises(errors.RunQuotaExceededError) as refused:
        await start(server.url)
    assert refused.value.retry_after_s == 86400
    assert len(server.seen) == 1


@BOTH
async def test_two_starts_have_two_keys(server: Server, start: Start):
    server.answers = [(202, {}, RUN), (202, {}, RUN)]
    await start(server.url)
    await start(server.url)
    assert server.seen[0][1] != server.seen[1][1]


async def test_a_list_reads_the_pages_that_are_asked_for_and_no_more(server: Server):
    pages = [{"items": [{**SECRET, "name": f"s{each}"}], "next": f"c{each}"} for each in range(3)]
    server.answers = [(200, {}, page) for page in [*pages, {"items": [], "next": None}]]
    with Client(server.url, "key") as client:
        listed = client.secrets.list(limit=1)
        first: SecretView = next(listed)
        assert first.name == "s0"
        assert len(server.seen) == 1
        assert [one.name for one in listed] == ["s1", "s2"]
    assert [path for path, _ in server.seen][-1] == "/v1/secrets?limit=1&cursor=c2"
    server.answers = [(200, {}, pages[0]), (200, {}, {"items": [], "next": None})]
    async with AsyncClient(server.url, "key") as client:
        assert [one.name async for one in client.secrets.list()] == ["s0"]


async def test_nobody_who_answers_is_an_error_of_its_own(server: Server):
    url = server.url
    server.server_close()
    with pytest.raises(UnreachableError, match=url), Client(url, "key") as client:
        client.secrets.remove("a")
