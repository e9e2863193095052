"""Rotate the secrets of docker-compose.yml by the commands of docs/how-to/rotate-every-secret.md.

    python tools/compose_rotation.py [--keep]

Types every `docker compose` command of the page, in its order, in a project of its own. What the page says of
one ring of keys is done to all of them. After each block of commands a run that needs every service and a
secret of the tenant must complete. Needs images as compose_demo.py does.
"""

import argparse
import os
import re
import shlex
import socket
import sys
import time
from typing import Any

import httpx
from build_images import suit_old_machines
from compose_backup import until
from compose_demo import SERVICES, WORLD, bring_up, make_key, taken_down, wait_for
from compose_engine import ROOT, Compose, DemoError

from visapi.admin import rotation

PROJECT = "visapi-rotation"
PAGE = ROOT / "docs/how-to/rotate-every-secret.md"
IN_ORDER = (("secrets",), ("postgres", "nats"), ("bootstrap",),
            ("gateway", "orchestrator", "pdf-worker", "notifier", "mail", "partner"))  # fmt: skip
SHOWN = "key-pepper"
"""The ring that the page rotates, in the service that it restarts for it."""
SHOWN_SERVICE = "gateway"
RING_SERVICES = ("gateway", "orchestrator", "notifier")
AFTER = "--after 60"
AFTER_S = 180.0
"""When a new key is used, in place of the page's 60 minutes: after the restart."""
_BLOCK = re.compile(r"^```sh no-run: needs docker\n(.*?)^```", re.DOTALL | re.MULTILINE)
_COMPOSE = "docker compose "
RESTART = f"{_COMPOSE}restart "
SIGNING = "whsec_dmlzYS1hcHByb3ZhbC1kZW1vLXdlYmhvb2s="
"""The one with which the stand-in of the partner verifies; public."""
ENDED = ("completed", "faulted", "cancelled")
STILL_NEEDED = 3
"""The code of `visapi admin rotation` while something needs an earlier key: links do for a week."""
SCRAPE = """\
import urllib.request as http
token = open('/run/visapi/metrics-token').read().strip()
request = http.Request('http://127.0.0.1:9100/metrics', headers={'authorization': f'Bearer {token}'})
print(token if b'visapi_' in http.urlopen(request, timeout=5).read() else '')
"""
WORKFLOW = """\
document: {dsl: '1.0.3', namespace: demo, name: rotated, version: '1.0.0'}
use: {secrets: [partner]}
do:
  - print:
      call: pdf.render
      with: {html: '<h1>Rotated</h1>'}
  - tell:
      try:
        - call:
            call: notify.webhook
            with:
              url: https://partner.example.com/hooks/rotated
              secret: '${ $secrets.partner }'
              payload: {run: '${ $workflow.id }'}
      catch:
        retry: {delay: {seconds: 1}, limit: {attempt: {count: 5}}}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Rotate every secret of docker-compose.yml.")
    parser.add_argument("--keep", action="store_true", help="leave it running")
    asked = parser.parse_args()
    suit_old_machines()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        compose = Compose({**os.environ, "VISAPI_PORT": str(port), **WORLD}, PROJECT)
        with taken_down(compose, keep=asked.keep):
            rotate(compose, f"http://127.0.0.1:{port}")
    except (DemoError, httpx.HTTPError) as error:
        sys.stderr.write(f"compose-rotation: {error}\n")
        return 1
    return 0


def blocks(page: str) -> list[list[str]]:
    """The commands of each block of the page that is for docker compose."""
    found = [block.splitlines() for block in _BLOCK.findall(page)]
    return [lines for lines in found if any(line.startswith(_COMPOSE) for line in lines)]


def for_every_ring(line: str) -> list[str]:
    """What the page does to one ring is done to each. Links of the last week are given up."""
    if SHOWN in line:
        lines = [line.replace(SHOWN, ring) for ring in rotation.SERVICES]
        return [f"{each} --force" if "link-secret --drop" in each else each for each in lines]
    if line == f"{RESTART}{SHOWN_SERVICE}":
        return [f"{RESTART}{' '.join(RING_SERVICES)}"]
    return [line]


def rotate(compose: Compose, url: str) -> None:
    for services in IN_ORDER:
        bring_up(compose, services)
    client = Client(url, make_key(compose, url))
    client.deploy()
    client.check()
    token, first, used_from = scraped(compose), 0.0, 0.0
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        time.sleep(max(0.0, used_from - time.monotonic()))
        client.check()
        for line in (each for shown in block for each in for_every_ring(shown)):
            if AFTER in line:
                first = first or time.monotonic() + AFTER_S
            enter(compose, line)
            if AFTER in line:
                used_from = time.monotonic() + AFTER_S
        for service in SERVICES:
            wait_for(compose, service)
        if AFTER in block[0] and time.monotonic() > first:
            raise DemoError("the first new key was used before the last service had restarted")
        client.check()
    if scraped(compose) == token:
        raise DemoError("the token of the metrics is the one from before")
    compose.say(f"every command of {PAGE.name} was typed; {client.completed} runs completed meanwhile")


def enter(compose: Compose, line: str) -> None:
    """A command of the page. One that drops a key refuses while the key is needed, and is repeated. podman
    restarts one container after the other: the page on compose says why.
    """
    services = line.removeprefix(RESTART).split() if line.startswith(RESTART) else []
    if compose.engine == "podman" and len(services) > 1:
        for service in services:
            enter(compose, f"{RESTART}{service}")
        return
    began = time.monotonic()
    words = shlex.split(line.replace(AFTER, f"--after {AFTER_S / 60}").removeprefix(_COMPOSE))
    if words[0] == "run":
        words.insert(1, "-T")
    said: list[str] = []

    def well() -> bool:
        done = compose.do(*words, check=False)
        said[:] = [f"ended with {done.returncode}: {done.stdout}{done.stderr}"]
        return done.returncode in ((0, STILL_NEEDED) if words[-1] == "rotation" else (0,))

    until(well, line, lambda: said[0])
    compose.say(f"{time.monotonic() - began:5.1f} s  {line}")


def scraped(compose: Compose) -> str:
    """The token with which the gateway answers /metrics now."""
    done = compose.do("exec", "-T", "gateway", "/usr/bin/python3.11", "-c", SCRAPE)
    if not done.stdout.strip():
        raise DemoError(f"the gateway has no metrics: {done.stderr}")
    return done.stdout.strip()


class Client:
    """Starts runs that need every service, and waits for their end."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=15)
        self.completed = 0

    def deploy(self) -> None:
        stored = self._http.put("/v1/secrets/partner", json=SIGNING)
        stored.raise_for_status()
        yaml = {"content-type": "application/yaml"}
        self._http.post("/v1/workflows", content=WORKFLOW, headers=yaml).raise_for_status()

    def check(self) -> None:
        """A new run completes. Raises `DemoError` or `httpx.HTTPError`."""
        started = self._http.post("/v1/workflows/demo/rotated/runs", json={}).raise_for_status()
        run = started.json()["id"]
        until(lambda: self._run(run)["status"] in ENDED, f"the run {run} ends")
        if (ended := self._run(run))["status"] != "completed":
            raise DemoError(f"the run {run} is {ended['status']}: {ended.get('error')}")
        self.completed += 1

    def _run(self, run: str) -> dict[str, Any]:
        return self._http.get(f"/v1/runs/{run}").raise_for_status().json()


if __name__ == "__main__":
    sys.exit(main())
