"""Stands in for a registry of OCI artifacts: what Helm needs to push a chart and to fetch it again."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

DIGEST = "Docker-Content-Digest"
BYTES = "application/octet-stream"


class Registry(ThreadingHTTPServer):
    """Keeps media type and bytes by digest, and manifests by their tags as well."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.contents: dict[str, tuple[str, bytes]] = {}

    def put(self, kind: str, content: bytes, tag: str) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.contents |= {digest: (kind, content), tag: (kind, content)}
        return digest


class Requests(BaseHTTPRequestHandler):
    """The part of the distribution API that Helm uses."""

    protocol_version = "HTTP/1.1"

    @property
    def registry(self) -> Registry:
        assert isinstance(self.server, Registry)
        return self.server

    def do_GET(self) -> None:
        reference = self.path.rpartition("/")[2]
        if reference not in self.registry.contents:
            self._answer(200 if self.path == "/v2/" else 404)
            return
        kind, content = self.registry.contents[reference]
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._answer(200, {DIGEST: digest, "Content-Type": kind}, content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self._read()
        self._answer(202, {"Location": f"{self.path.rstrip('/')}/1"})

    def do_PUT(self) -> None:
        content, asked = self._read(), urlparse(self.path)
        if "/manifests/" in asked.path:
            kind, tag = self.headers.get("Content-Type", BYTES), asked.path.rpartition("/")[2]
            digest = self.registry.put(kind, content, tag)
        else:
            [promised] = parse_qs(asked.query)["digest"]
            digest = self.registry.put(BYTES, content, promised)
            assert digest == promised
        self._answer(201, {DIGEST: digest, "Location": asked.path})

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _answer(self, status: int, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base names it so)
        """Requests are no news."""


@contextmanager
def oci_registry() -> Iterator[str]:
    """The registry's host and port."""
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
