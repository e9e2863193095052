"""An HTTP server that answers as a test says, and remembers the requests. It runs in a thread of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def idempotency_key(self) -> str | None:
        return self.headers.get("idempotency-key")


class ScriptedGateway(ThreadingHTTPServer):
    """Gives `answers` in order, each with status, headers and body (JSON, or bytes as they are)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.answers: list[tuple[int, dict[str, str], Any]] = []
        self.asked: list[Asked] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def says(self, *bodies: Any) -> None:
        """Answer 200 with each of the bodies, in order."""
        self.answers = [(200, {}, body) for body in bodies]


class _Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, ScriptedGateway)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append(Asked(self.command, self.path, headers, body))
        status, more, answer = self.server.answers.pop(0)
        content = (
            answer if isinstance(answer, bytes) else b"" if status == 204 else json.dumps(answer).encode()
        )
        self.send_response(status)
        for name, value in {**more, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 (the names that the server calls)

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 (the name of the base class)


@contextmanager
def scripted_gateway() -> Iterator[ScriptedGateway]:
    """A gateway that runs until the end of the block."""
    with ScriptedGateway() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()
