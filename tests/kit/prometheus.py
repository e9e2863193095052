"""A real Prometheus that scrapes a page of metrics of the test's making."""

import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import yaml

from kit.deploy_tools import tool
from visapi.stack.processes import wait_for

SCRAPE_S = 0.5
"""A scrape that takes longer fails, and its series end: a machine under load must not get there."""


@contextmanager
def served(page: Callable[[], str]) -> Iterator[int]:
    """A page of metrics, made anew for each scrape; answers its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base names it so)
            """Scrapes are no news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def prometheus(page: Callable[[], str]) -> Iterator[str]:
    """The address of a Prometheus that scrapes `page`, once it has an answer."""
    with tempfile.TemporaryDirectory() as place, served(page) as target:
        config = Path(place) / "prometheus.yml"
        every = f"{SCRAPE_S * 1000:.0f}ms"
        config.write_text(yaml.safe_dump({
            "global": {"scrape_interval": every, "scrape_timeout": every},
            "scrape_configs": [{"job_name": "visapi", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
        }))  # fmt: skip
        url = f"http://127.0.0.1:{_free_port()}"
        command = [tool("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={place}/data",
                   f"--web.listen-address={url.removeprefix('http://')}", "--log.level=warn"]  # fmt: skip
        with (
            (Path(place) / "log").open("w") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as running,
        ):
            try:
                wait_for(lambda: _has_scraped(url), timeout_s=30, what="Prometheus scraping")
                yield url
            finally:
                running.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _has_scraped(url: str) -> bool:
    try:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": "count_over_time(up[5s]) >= 3"}).json()
    except (httpx.TransportError, ValueError):
        return False
    return bool(answer["status"] == "success" and answer["data"]["result"])
