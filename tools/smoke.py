"""Run a workflow through the public API of a stack and check its outcome: what a new release must do.

    python tools/smoke.py --url https://visapi.example.com              one run through every service
    python tools/smoke.py --url http://127.0.0.1:8080 --world FOLDER    and `visapi demo`, where stand-ins are

VISAPI_API_KEY is a key that may deploy workflows, start and read runs, and read artifacts. Exit codes: 0
every check passed, 1 one did not, 2 wrong arguments.
"""

import argparse
import hashlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import msgspec

from visapi.client import ApiError, Client, UnreachableError, contents, operations
from visapi_common.contracts.runs import ENDED, ArtifactRef, RunStatus, RunView

ROOT = Path(__file__).resolve().parent.parent
DEFINITION = ROOT / "examples/smoke.yaml"
NAMESPACE, NAME = "smoke", "release"
PATIENCE_S = 60
KEY_S = 15
"""How long a key that was made in the database may be unknown: gateways read all keys every few seconds."""
DEMO_TIMEOUT_S = 180


class SmokeError(Exception):
    """A check did not pass; the message says which, and what was found."""


class Outcome(msgspec.Struct):
    """What the workflow answers."""

    document: ArtifactRef
    refused: bool


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a workflow through a stack's public API.")
    parser.add_argument("--url", default="", help="the address of the API")
    parser.add_argument(
        "--world", type=Path, help="the folder in which the stack's stand-ins keep what they got"
    )
    given = parser.parse_args()
    key = os.environ.get("VISAPI_API_KEY", "")
    if not given.url.startswith(("http://", "https://")):
        parser.error("--url wants the address of the API, http://… or https://…")
    if not key:
        parser.error("set VISAPI_API_KEY")
    try:
        for passed in checks(given.url, key):
            print(f"smoke: ✓ {passed}", flush=True)
        if given.world:
            play_demo(given.url, given.world)
    except (SmokeError, ApiError, UnreachableError, httpx.HTTPError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"smoke: ✗ {given.url}: {error}\n")
        return 1
    return 0


def checks(url: str, key: str) -> Iterator[str]:
    """What was found true, one after the other. Raises `SmokeError` and what the client raises."""
    asked = httpx.get(f"{url.rstrip('/')}/v1/runs", timeout=PATIENCE_S)
    if asked.status_code != HTTPStatus.UNAUTHORIZED:
        raise SmokeError(f"GET /v1/runs without a key is answered {asked.status_code} instead of 401")
    yield "a request without a key is refused"
    await_key(url, key)
    with Client(url, key) as client:
        client.send(operations.deploy(DEFINITION.read_bytes(), operations.YAML))
        yield f"{NAMESPACE}/{NAME} is deployed"
        began = time.monotonic()
        once = f"smoke-{secrets.token_hex(16)}"
        body = msgspec.json.encode({"release": once})
        run = ended(client, start(client, body, once))
        yield f"run {run.id} completed in {time.monotonic() - began:.2f} s"
        if (again := start(client, body, once)).id != run.id:
            raise SmokeError(f"the same Idempotency-Key started run {again.id} beside {run.id}")
        yield "the same start again is the same run"
        outcome = msgspec.json.decode(run.output, type=Outcome)
        if not outcome.refused:
            raise SmokeError("the notifier was not refused the address of the cloud's metadata")
        yield "the egress guard refuses the address of the cloud's metadata"
        content = client.send(contents.get_artifact(outcome.document.id))
        if hashlib.sha256(content).hexdigest() != outcome.document.sha256 or not content.startswith(b"%PDF-"):
            raise SmokeError(f"artifact {outcome.document.id} is not the document that was rendered")
        yield f"the document has {len(content)} bytes, and they are those that were rendered"


def await_key(url: str, key: str, patience_s: float = KEY_S) -> None:
    """Until the gateway knows the key. Raises `SmokeError` where it is refused for `patience_s` seconds."""
    deadline = time.monotonic() + patience_s
    while True:
        asked = httpx.get(
            f"{url.rstrip('/')}/v1/runs", headers={"authorization": f"Bearer {key}"}, timeout=PATIENCE_S
        )
        if asked.status_code != HTTPStatus.UNAUTHORIZED:
            return
        if time.monotonic() > deadline:
            raise SmokeError(f"the key is still answered 401 after {patience_s:g} s: {asked.text}")
        time.sleep(0.5)


def start(client: Client, body: bytes, once: str) -> RunView:
    return client.send(operations.start_run(NAMESPACE, NAME, body, idempotency_key=once, wait_s=20))


def ended(client: Client, run: RunView) -> RunView:
    """The run when it has completed."""
    deadline = time.monotonic() + PATIENCE_S
    while run.status not in ENDED:
        if time.monotonic() > deadline:
            raise SmokeError(f"run {run.id} is {run.status} after {PATIENCE_S} s")
        time.sleep(0.5)
        run = client.send(operations.get_run(str(run.id)))
    if run.status is not RunStatus.COMPLETED:
        why = f": {run.error.title or run.error.type}: {run.error.detail}" if run.error else ""
        raise SmokeError(f"run {run.id} is {run.status}{why}")
    return run


def play_demo(url: str, world: Path) -> None:
    """The sample with mail, webhook and chat, whose arrival the stand-ins prove."""
    command = [sys.executable, "-m", "visapi", "demo", "--url", url, "--world", str(world)]
    done = subprocess.run(command, cwd=ROOT, check=False, timeout=DEMO_TIMEOUT_S)
    if done.returncode != 0:
        raise SmokeError("the demo did not end well; the lines above say what is missing")


if __name__ == "__main__":
    sys.exit(main())
