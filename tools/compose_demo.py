"""Bring docker-compose.yml up, play the demo on it, kill each container under load, count, take it down.

    python tools/compose_demo.py [--keep] [--profile s3] [--profile observability]

Uses `docker compose` or podman-compose, whichever is there, in a project of its own. Images of VisAPI have
been built (`make images`); VISAPI_POSTGRES_IMAGE and VISAPI_NATS_IMAGE may name stand-ins.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from build_images import suit_old_machines
from compose_engine import Compose, DemoError
from compose_load import Load, LostError
from compose_profiles import PROFILES, Profile, check_own_secrets, write_own_secrets
from smoke import SmokeError, await_key

PROJECT = "visapi-demo"
ONCE = ("secrets", "bootstrap")
IN_ORDER = (("secrets",), ("postgres", "nats"), ("bootstrap",),
            ("gateway", "orchestrator", "pdf-worker", "notifier", "mail", "partner", "slack"))  # fmt: skip
SERVICES = ("gateway", "orchestrator", "pdf-worker", "notifier")
KILLED = ("gateway", "orchestrator", "pdf-worker", "notifier", "partner", "nats", "postgres")
_RUN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WORLD = {
    "VISAPI_EGRESS_ORIGINS": '{"https://partner.example.com": "http://partner:9911", '
    '"https://hooks.slack.com": "http://slack:9912"}',
}
"""Leads the sample's addresses to the stand-ins."""
START_S = 300
DOWN_S = 1.0
"""How long a killed container stays away."""
BETWEEN_S = 4.0


def main() -> int:
    parser = argparse.ArgumentParser(description="Play the demo on docker-compose.yml.")
    parser.add_argument("--keep", action="store_true", help="leave it running")
    parser.add_argument("--profile", action="append", choices=PROFILES, default=[], help="also this profile")
    asked = parser.parse_args()
    profiles = [PROFILES[name] for name in asked.profile]
    suit_old_machines()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {**os.environ, "VISAPI_PORT": str(port), **WORLD}
    for profile in profiles:
        environ |= profile.environ
    try:
        with TemporaryDirectory(prefix="visapi-operator-") as folder:
            compose = Compose(environ | write_own_secrets(Path(folder)), PROJECT)
            with taken_down(compose, keep=asked.keep):
                play(compose, f"http://127.0.0.1:{port}", profiles)
    except (DemoError, LostError) as error:
        sys.stderr.write(f"compose-demo: {error}\n")
        return 1
    return 0


@contextmanager
def taken_down(compose: Compose, *, keep: bool) -> Generator[None]:
    """Begin without the project, and leave nothing of it unless `keep`.

    An error of the block is what the caller gets, also when the project cannot be taken down after it, which
    is printed. Raises `DemoError` when the block ended well and the project cannot be taken down.
    """
    compose.do("down", "--volumes", check=False)
    try:
        yield
    except BaseException:
        if not keep:
            try:
                take_down(compose)
            except DemoError as error:
                compose.say(f"could not be taken down: {error}")
        raise
    if not keep:
        take_down(compose)


def take_down(compose: Compose) -> None:
    """Containers and volumes, also those that podman-compose passes over. Raises `DemoError`."""
    compose.do("down", "--volumes")
    for name in compose.volumes():
        compose.remove_volume(name)
    compose.say("taken down, with its volumes")


def play(compose: Compose, url: str, profiles: list[Profile]) -> None:
    began = time.monotonic()
    for services in IN_ORDER:
        beside = [each for profile in profiles for each in profile.services] if "postgres" in services else []
        bring_up(compose, (*services, *beside))
    compose.say(f"everything is healthy after {time.monotonic() - began:.0f} s")
    for service in SERVICES:
        compose.say(
            f"{service} was ready {ready_after_s(compose, service):.1f} s after its container had started"
        )
    key = make_key(compose, url)
    demo = compose.do("run", "--rm", "-T", "-e", f"VISAPI_API_KEY={key}", "demo")
    print(demo.stdout, flush=True)
    compose.say("the demo ended well")
    for check in (check_own_secrets, *(profile.check for profile in profiles)):
        compose.say(check(compose))
    load = Load(url, key)
    killed = (*KILLED, *(each for profile in profiles for each in profile.killed))
    asyncio.run(load.run(lambda: kill_each(compose, killed), compose.say))
    check_effects(compose, load.accepted)


def bring_up(compose: Compose, services: tuple[str, ...]) -> None:
    began = time.monotonic()
    compose.do("up", "--detach", "--no-deps" if compose.engine == "podman" else "--no-recreate", *services)
    for service in services:
        wait_for(compose, service)
        compose.say(
            f"{service:<12} {'done' if service in ONCE else 'ready'} {time.monotonic() - began:5.1f} s"
        )


def wait_for(compose: Compose, service: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        state = compose.on(
            service, "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}"
        ).stdout.split()
        if service in ONCE and state[0] in ("exited", "stopped"):
            if state[1] == "0":
                return
            raise DemoError(f"{service} ended with {state[1]}:\n{logs(compose, service)}")
        answers = service not in ONCE and state[0] == "running"
        if answers and (not compose.has_health(service) or compose.healthy(service)):
            return
        time.sleep(0.3)
    raise DemoError(f"{service} is not ready after {START_S} s:\n{logs(compose, service)}")


def ready_after_s(compose: Compose, service: str) -> float:
    """From the start of the container to the line in which the service says that it is ready."""
    started = compose.on(service, "inspect", "--format", "{{json .State.StartedAt}}").stdout
    ready = re.search(r'"event":"ready".*?"time":"([^"]+)"', compose.on(service, "logs").stdout)
    if ready is None:
        raise DemoError(f"{service} never said that it was ready")
    return (_moment(ready.group(1)) - _moment(started)).total_seconds()


def _moment(text: str) -> datetime:
    """A time as engines and services write it; of its fraction, microseconds are read."""
    found = re.search(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d{1,6})?\d*(Z| ?[+-]\d\d:?\d\d)?", text)
    if found is None:
        raise DemoError(f"{text!r} is no time")
    zone = (found[4] or "Z").strip()
    return datetime.fromisoformat(f"{found[1]}T{found[2]}{(found[3] or '.0'):0<7}{zone}")


def logs(compose: Compose, service: str) -> str:
    done = compose.on(service, "logs", "--tail", "20")
    return done.stdout + done.stderr


def make_key(compose: Compose, url: str) -> str:
    """A key that the gateway knows. Raises `DemoError`."""
    made = compose.do("run", "--rm", "-T", "admin", "key", "create", "compose-demo", "--tenant", "default")
    found = re.search(r"visapi_\w+", made.stdout)
    if found is None:
        raise DemoError(f"no key was printed:\n{made.stdout}{made.stderr}")
    try:
        await_key(url, found.group())
    except SmokeError as error:
        raise DemoError(str(error)) from error
    return found.group()


async def kill_each(compose: Compose, killed: tuple[str, ...]) -> None:
    """Kill one container after the other; each comes back before the next goes."""
    for service in killed:
        await asyncio.sleep(BETWEEN_S)
        await asyncio.to_thread(compose.on, service, "kill", "--signal", "KILL")
        await asyncio.sleep(DOWN_S)
        began = time.monotonic()
        await asyncio.to_thread(compose.on, service, "start")
        await asyncio.to_thread(wait_for, compose, service)
        compose.say(f"killed {service:<12} ready again {time.monotonic() - began:5.1f} s after its start")


def check_effects(compose: Compose, runs: frozenset[str]) -> None:
    """Each run has told the partner, under one effect key however often it was repeated."""
    read = "print(open('/world/webhooks.jsonl').read())"
    done = compose.do("run", "--rm", "-T", "--entrypoint", "/usr/bin/python3.11", "demo", "-c", read)
    keys: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            record = json.loads(line)
            for run in runs & set(_RUN.findall(record["body"])):
                keys.setdefault(run, set()).add(record["id"])
    if untold := runs - keys.keys():
        raise DemoError(f"the partner never heard of {len(untold)} runs: {sorted(untold)[:5]}")
    if doubled := [run for run, each in keys.items() if len(each) != 1]:
        raise DemoError(f"{len(doubled)} runs told the partner under several effect keys: {doubled[:5]}")
    compose.say(f"the partner heard of each of the {len(runs)} runs, under one effect key each")


if __name__ == "__main__":
    sys.exit(main())
