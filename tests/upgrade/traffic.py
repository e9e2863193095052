"""Clients that never try again: every request of theirs that fails while releases are switched is counted.

They start runs at a steady pace, read and cancel some, and follow long ones. The runs have the three effects of the
fault matrix, and are judged by its checker.
"""

import asyncio
import contextlib
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from faults.harness import workflow
from faults.watching import Watched
from upgrade.cluster import Cluster
from visapi.client.event_stream import EventReader, RunEnd

_LONG = (Path(__file__).parent / "long.yaml").read_bytes()
_CANCEL_EVERY = 9
_EVENT_STREAM = {"Accept": "text/event-stream"}
_RECONNECT_S = 0.1
_LIMIT_S = 30.0


class Follower:
    """Follows one long run over every stream that it needs. Its stream may end, and must not break."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.seen: list[int] = []
        self.streams = 0
        self.broken: list[str] = []
        self.end = ""

    async def follow(self, client: httpx.AsyncClient) -> None:
        """Until `event: end`. What it has seen is dense afterwards, or `flaws` says so."""
        while not self.end:
            self.streams += 1
            last = {"Last-Event-ID": str(self.seen[-1])} if self.seen else {}
            try:
                async with client.stream(
                    "GET", f"/v1/runs/{self.run}/history", headers={**_EVENT_STREAM, **last}, timeout=_LIMIT_S
                ) as answer:
                    if answer.status_code != httpx.codes.OK:
                        self.broken.append(f"{answer.status_code} at {_clock()}")
                    else:
                        await self._read(answer)
            except httpx.TransportError as error:
                self.broken.append(f"{error!r} at {_clock()}")
            await asyncio.sleep(_RECONNECT_S)

    async def _read(self, answer: httpx.Response) -> None:
        reader = EventReader()
        async for line in answer.aiter_lines():
            event = reader.read(line)
            if isinstance(event, RunEnd):
                self.end = event.status.value
                return
            if event is not None:
                self.seen.append(event.seq)

    @property
    def flaws(self) -> list[str]:
        found = [f"the follower of {self.run} was cut off: {broken}" for broken in self.broken]
        if self.seen != list(range(1, len(self.seen) + 1)):
            found.append(f"the follower of {self.run} saw {self.seen}")
        if self.end != "completed":
            found.append(f"the run {self.run} that was followed ended as {self.end or 'nothing'}")
        return found


class Traffic(Watched):
    """`begin` starts it in the background, `end` waits for its open requests."""

    def __init__(self, cluster: Cluster, *, per_second: float) -> None:
        client = httpx.AsyncClient(
            base_url=cluster.balancer.url,
            headers={"Authorization": f"Bearer {cluster.api_key}"},
            timeout=_LIMIT_S,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=False,
        )
        super().__init__(client, cluster.receivers)
        self._every_s = 1 / per_second
        self._target, self._long = "", ""
        self.requests: Counter[str] = Counter()
        """All requests, by kind."""
        self.failed: list[str] = []
        """Those that were not answered as a client expects, with the answer."""
        self.slowest_s = 0.0
        self.followers: list[Follower] = []
        self._following: list[asyncio.Task[None]] = []
        self._running: asyncio.Task[None] | None = None
        self._stopping = False

    async def deploy(self) -> None:
        """The workflows, before anything is counted."""
        self._target = await self._deploy(workflow("workflow"))
        self._long = await self._deploy(_LONG)

    async def close(self) -> None:
        for task in (*self._following, *([self._running] if self._running else [])):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._client.aclose()

    async def begin(self) -> None:
        self._running = asyncio.create_task(self._run(), name="traffic")

    async def end(self) -> None:
        """No new runs; the requests under way are answered first."""
        assert self._running is not None
        running, self._running = self._running, None
        self._stopping = True
        await running

    async def follow(self, count: int, *, ticks: int) -> None:
        """Start `count` runs of about `ticks` seconds, and follow them; each has a stream when this returns."""
        for _ in range(count):
            answer = await self._asked("follow", "POST", self._long, json={"ticks": ticks})
            assert answer is not None, self.failed
            follower = Follower(answer.json()["id"])
            self.followers.append(follower)
            self._following.append(asyncio.create_task(follower.follow(self._client)))
        async with asyncio.timeout(_LIMIT_S):
            while not all(follower.seen for follower in self.followers):
                await asyncio.sleep(_RECONNECT_S)

    async def followed(self, *, timeout_s: float) -> None:
        """Until every follower has seen the end of its run."""
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*self._following)

    async def started(self, count: int) -> None:
        """Until so many runs were accepted."""
        async with asyncio.timeout(_LIMIT_S * 4):
            while len(self.accepted) < count:
                await asyncio.sleep(self._every_s)

    async def _run(self) -> None:
        began, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while not self._stopping:
                await asyncio.sleep(max(0.0, began + number * self._every_s - time.monotonic()))
                group.create_task(self._one(number))
                number += 1

    async def _one(self, number: int) -> None:
        body = {"number": number, "hook": self._receivers.hook_url}
        key = {"Idempotency-Key": f"upgrade-{number}"}
        answer = await self._asked("start", "POST", self._target, json=body, headers=key)
        if answer is None:
            return
        run = str(answer.json()["id"])
        self.accepted.add(run)
        await self._asked("read", "GET", f"/v1/runs/{run}")
        if number % _CANCEL_EVERY == 0:
            self.cancelled.add(run)
            await self._asked("cancel", "POST", f"/v1/runs/{run}/cancel", json={})
        await self._asked("history", "GET", f"/v1/runs/{run}/history")

    async def _asked(self, kind: str, method: str, target: str, **request: Any) -> httpx.Response | None:
        """The answer that a client expects; None, and a failure, for every other one."""
        self.requests[kind] += 1
        began = time.monotonic()
        try:
            answer = await self._client.request(method, target, **request)
        except httpx.TransportError as error:
            self.failed.append(f"{kind} at {_clock()}: {error!r}")
            return None
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        # A run that has ended already is not cancelled any more.
        fine = answer.is_success or (kind == "cancel" and answer.status_code == httpx.codes.CONFLICT)
        if not fine:
            self.failed.append(f"{kind} at {_clock()}: {answer.status_code} {answer.text[:200]}")
            return None
        return answer

    async def _deploy(self, definition: bytes) -> str:
        answer = await self._client.post(
            "/v1/workflows", content=definition, headers={"Content-Type": "application/yaml"}
        )
        assert answer.status_code in (200, 201), answer.text
        at = answer.json()
        return f"/v1/workflows/{at['namespace']}/{at['name']}/runs"


def _clock() -> str:
    """The time as logs of the services have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
