"""Every ring of keys is rotated under load: accepted, used, dropped, each time by replacing replica after replica.

`make rotation-test` runs this; HAProxy must be installed. What is counted: requests that failed, runs that were
accepted and not completed, effects that happened twice, secrets that did not arrive.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import msgspec
import pytest

from kit.servers import run_async
from kit.waiting import eventually
from upgrade.background import Background
from upgrade.cluster import Cluster, cluster
from upgrade.judging import PER_SECOND, judged
from upgrade.releases import current
from upgrade.traffic import Traffic
from visapi.admin.resealing import reseal
from visapi.admin.rotation import examine_rings, with_next, without_earlier
from visapi.findings import Level
from visapi.stack.data_directory import DataDirectory
from visapi.stack.services import SERVICES
from visapi.stack.standins.http_server import HttpServer, Request, Response
from visapi_common.core.keyrings import Keyring

ASKED = "VISAPI_TEST_ROTATION"
REPLICAS = 2
AMID = 30
TICKS = 30
AFTER_S = float(os.environ.get("VISAPI_TEST_ROTATION_AFTER_S", "240"))
"""When new keys are used: after every replica was replaced once."""
RINGS = ("key_pepper", "link_secret", "sealing_key", "effect_secret", "handle_secret")
KEPT = "kept-s3cret-of-the-tenant"
SEALED = b"""
document: {dsl: '1.0.3', namespace: rotation, name: sealed, version: '1.0.0'}
use: {secrets: [kept]}
do:
  - wait: {wait: {seconds: 1}}
  - send:
      call: http
      with: {method: post, endpoint: '${ .url }', headers: {x-kept: '${ $secrets.kept }'}}
"""

pytestmark = [
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not os.environ.get(ASKED), reason="`make rotation-test` runs this"),
]


class Secretive:
    """Runs that send a secret, and a link and a list that are read all the time."""

    def __init__(self, load: Traffic, client: httpx.AsyncClient) -> None:
        self._load, self._client = load, client
        self.server = HttpServer(self._receive)
        self.seen: list[str] = []
        self.accepted: list[str] = []
        self.failed: list[str] = []
        self.reads = 0
        self._stopping = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    async def _receive(self, request: Request) -> Response:
        self.seen.append(request.headers.get("x-kept", ""))
        return Response(200)

    async def begin(self) -> None:
        await self.server.start()
        stored = await self._client.put("/v1/secrets/kept", json=KEPT)
        assert stored.status_code == httpx.codes.CREATED, stored.text
        deployed = await self._client.post(
            "/v1/workflows", content=SEALED, headers={"Content-Type": "application/yaml"}
        )
        assert deployed.is_success, deployed.text
        self._working = asyncio.create_task(self._work())

    async def end(self) -> None:
        self._stopping.set()
        assert self._working is not None
        await self._working
        for run in self.accepted:
            await eventually(partial(self._completed, run), within_s=120)
        await self.server.stop()

    async def _completed(self, run: str) -> bool:
        status = (await self._client.get(f"/v1/runs/{run}")).json()["status"]
        assert status not in ("faulted", "cancelled"), run
        return status == "completed"

    async def _work(self) -> None:
        cursor = ""
        while not self._stopping.is_set():
            await asyncio.sleep(0.5)
            started = await self._asked(
                "POST", "/v1/workflows/rotation/sealed/runs", json={"url": self.server.url}
            )
            if started is not None:
                self.accepted.append(started.json()["id"])
            page = await self._asked("GET", f"/v1/runs?limit=1{cursor}")
            following = None if page is None else page.json()["next"]
            cursor = f"&cursor={following}" if following else ""

    async def _asked(self, method: str, target: str, **request: object) -> httpx.Response | None:
        self.reads += 1
        try:
            answer = await self._client.request(method, target, **request)  # pyright: ignore[reportArgumentType]
        except httpx.TransportError as error:
            self.failed.append(f"{method} {target}: {error!r}")
            return None
        if not answer.is_success:
            self.failed.append(f"{method} {target}: {answer.status_code} {answer.text[:200]}")
            return None
        return answer


@pytest.fixture
def ledger() -> Iterator[tuple[Cluster, Background]]:
    with cluster(current()) as running:
        yield running


def test_every_key_is_rotated_under_load(ledger: tuple[Cluster, Background]):
    services, background = ledger
    for service in SERVICES:
        for _ in range(REPLICAS):
            services.begin(service, current())
    load = Traffic(services, per_second=PER_SECOND)
    client = background.run(_client(services))
    beside = Secretive(load, client)
    try:
        background.run(load.deploy())
        background.run(load.begin())
        background.run(beside.begin())
        _amid(background, load)

        old, since = rings(services.data), datetime.now(UTC) + timedelta(seconds=AFTER_S)
        give(services.data, {name: _next(ring, since) for name, ring in old.items()})
        _roll(services)
        assert datetime.now(UTC) < since, "the machine is slow: raise VISAPI_TEST_ROTATION_AFTER_S"
        background.run(load.follow(4, ticks=TICKS + int((since - datetime.now(UTC)).total_seconds())))
        time.sleep(max(0.0, (since - datetime.now(UTC)).total_seconds()))
        _amid(background, load)
        background.run(client.put("/v1/secrets/fresh", json=KEPT))

        both = rings(services.data)
        told = run_async(reseal(services.owner_url, both["sealing_key"], secrets.token_bytes))
        assert (told.count, told.unreadable) == (1, [])
        background.run(eventually(partial(free, services, both), within_s=240))
        services.note("nothing depends on the old keys")
        kept = {name: without_earlier(ring, datetime.now(UTC)) for name, ring in both.items()}
        give(services.data, {**kept, "link_secret": both["link_secret"]})
        _roll(services)
        _amid(background, load)

        background.run(load.end())
        background.run(load.followed(timeout_s=600))
        background.run(beside.end())
        print(f"\nbeside: {beside.reads} requests, {len(beside.accepted)} runs with a secret")
        judged("every key rotated", services, background, load)
        assert beside.failed == []
        assert sorted(beside.seen) == [KEPT] * len(beside.accepted)
    finally:
        background.run(load.close())
        background.run(client.aclose())


async def _client(services: Cluster) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {services.api_key}"}
    return httpx.AsyncClient(base_url=services.balancer.url, headers=headers, timeout=30, trust_env=False)


def rings(data: DataDirectory) -> dict[str, Keyring]:
    given = data.secrets()
    return {name: Keyring.read(getattr(given, name)) for name in RINGS}


def give(data: DataDirectory, fresh: dict[str, Keyring]) -> None:
    """The rings that replicas get which start from now on."""
    changed = msgspec.structs.replace(data.secrets(), **{name: ring.text() for name, ring in fresh.items()})
    (data.root / "secrets.json").write_bytes(msgspec.json.encode(changed))


def _next(ring: Keyring, since: datetime) -> Keyring:
    return with_next(ring, secrets.token_bytes(32), since, datetime.now(UTC))


async def free(services: Cluster, given: dict[str, Keyring]) -> bool:
    """Whether nothing depends on earlier keys, but for links."""
    wanted = {name.replace("_", "-"): ring for name, ring in given.items() if name != "link_secret"}
    found = await examine_rings(services.owner_url, wanted, datetime.now(UTC))
    return all(each.level is Level.OK for each in found)


def _amid(background: Background, load: Traffic) -> None:
    background.run(load.started(len(load.accepted) + AMID))


def _roll(services: Cluster) -> None:
    for replica in services.of(current()):
        services.replace(replica, current())
