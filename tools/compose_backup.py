"""Back the database of docker-compose.yml up by deploy/compose/backup.yml, lose it, restore it to a moment.

    python tools/compose_backup.py [--keep]

Does what docs/how-to/back-up-and-restore.md says, in a project of its own, and looks up every run. Needs
images as compose_demo.py does.
"""

import argparse
import os
import socket
import sys
import time
from collections.abc import Callable
from http import HTTPStatus

import httpx
from build_images import suit_old_machines
from compose_demo import bring_up, logs, make_key, taken_down
from compose_engine import Compose, DemoError

PROJECT = "visapi-backup"
FILES = ("docker-compose.yml", "deploy/compose/backup.yml")
STORES = (("secrets",), ("postgres", "nats"), ("bootstrap",))
SERVING = ("gateway", "orchestrator")
BACKUPS = ("backup-log", "backup-copy")
LIMIT_S = 120.0
EACH = 5
WORKFLOW = """\
document: {dsl: '1.0.3', namespace: demo, name: kept, version: '1.0.0'}
do:
  - say: {set: {said: hello}}
"""


class Client:
    """Starts runs and looks them up."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=15)

    def deploy(self) -> None:
        answer = self._http.post(
            "/v1/workflows", content=WORKFLOW, headers={"content-type": "application/yaml"}
        )
        answer.raise_for_status()

    def completed(self, count: int) -> set[str]:
        """So many new runs, at their end."""
        runs = {self._start() for _ in range(count)}
        until(lambda: all(self.status(run) == "completed" for run in runs), "the runs are completed")
        return runs

    def status(self, run: str) -> str:
        """Its status; empty when the gateway does not know the run."""
        answer = self._http.get(f"/v1/runs/{run}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return ""
        return str(answer.raise_for_status().json()["status"])

    def _start(self) -> str:
        answer = self._http.post("/v1/workflows/demo/kept/runs", json={})
        return str(answer.raise_for_status().json()["id"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Back up, lose and restore the database.")
    parser.add_argument("--keep", action="store_true", help="leave it running")
    asked = parser.parse_args()
    suit_old_machines()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        compose = Compose({**os.environ, "VISAPI_PORT": str(port)}, PROJECT, FILES)
        with taken_down(compose, keep=asked.keep):
            drill(compose, f"http://127.0.0.1:{port}")
    except (DemoError, httpx.HTTPError) as error:
        sys.stderr.write(f"compose-backup: {error}\n")
        return 1
    return 0


def drill(compose: Compose, url: str) -> None:
    serve(compose)
    client = Client(url, make_key(compose, url))
    client.deploy()
    compose.do("up", "--detach", "--no-deps", *BACKUPS)
    before = client.completed(EACH)
    until(lambda: len(copies(compose)) == 1, "a whole copy is made", lambda: logs(compose, "backup-copy"))
    since = client.completed(EACH)
    time.sleep(1)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1)
    later = client.completed(EACH)
    compose.say(f"{len(before)} runs before the copy, {len(since)} after it, {len(later)} after {moment}")
    # The log is synchronous within a second; then the database and the streams are lost.
    time.sleep(2)
    compose.do("down")
    for volume in ("postgres", "nats"):
        compose.remove_volume(volume)
    restore(compose, moment, before | since | later, later)
    serve(compose)
    look(compose, client, before | since, later)


def serve(compose: Compose) -> None:
    for services in (*STORES, SERVING):
        bring_up(compose, services)


def restore(compose: Compose, moment: str, accepted: set[str], lost: set[str]) -> None:
    """As the page says it, and refuse a report that misses a run."""
    began = time.monotonic()
    bring_up(compose, ("secrets",))
    print(compose.do("run", "--rm", "-T", "--no-deps", "restore", moment).stdout, flush=True)
    compose.say(f"restored in {time.monotonic() - began:.1f} s")
    bring_up(compose, ("postgres",))
    asked = ("run", "--rm", "-T", "--no-deps", "admin", "restored", "--accepted", "/dev/stdin")
    report = compose.do(*asked, given="\n".join(sorted(accepted))).stdout
    print(report, flush=True)
    if f"{len(lost)} of {len(accepted)} runs" not in report or not all(run in report for run in lost):
        raise DemoError(f"`restored` did not name the {len(lost)} runs that were lost")


def look(compose: Compose, client: Client, kept: set[str], lost: set[str]) -> None:
    found = {run for run in kept | lost if client.status(run) == "completed"}
    if found != kept:
        raise DemoError(f"{len(kept - found)} runs of {len(kept)} are missing, {len(found & lost)} too many")
    compose.say(f"all {len(kept)} runs before the moment are there, none of the {len(lost)} after it")
    client.completed(EACH)
    compose.do("up", "--detach", "--no-deps", *BACKUPS)
    until(lambda: len(copies(compose)) == 1, "backups begin anew", lambda: logs(compose, "backup-copy"))
    compose.say(f"{EACH} new runs completed, and a new copy was made of the restored database")


def copies(compose: Compose) -> list[str]:
    done = compose.do("exec", "-T", "backup-copy", "ls", "/var/lib/postgresql/base", check=False)
    return [name for name in done.stdout.split() if name.endswith("Z")]


def until(holds: Callable[[], bool], what: str, told: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise DemoError(f"not within {LIMIT_S:.0f} s: {what}\n{told()}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
