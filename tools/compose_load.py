"""Load for compose_demo.py: runs are started while containers die, then every accepted one is looked up."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import httpx

PER_S = 3.0
END_S = 180.0
WORKFLOW = """\
document: {dsl: '1.0.3', namespace: demo, name: load, version: '1.0.0'}
do:
  - print:
      try:
        - render:
            call: pdf.render
            with: {html: '<h1>Load</h1>'}
      catch:
        retry: {delay: {seconds: 1}, limit: {attempt: {count: 60}}}
  - tell:
      try:
        - call:
            call: notify.webhook
            with:
              url: https://partner.example.com/hooks/load
              secret: whsec_dmlzYS1hcHByb3ZhbC1kZW1vLXdlYmhvb2s=
              payload: {run: '${ $workflow.id }'}
      catch:
        retry: {delay: {seconds: 1}, limit: {attempt: {count: 60}}}
"""


class LostError(Exception):
    """An accepted run did not end as it must; the message says which and how."""


class Load:
    """Starts runs at a steady pace, each under an idempotency key, and repeats what was refused."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=15)
        self._accepted: set[str] = set()
        self._refused = 0

    @property
    def accepted(self) -> frozenset[str]:
        return frozenset(self._accepted)

    async def run(self, disturb: Callable[[], Awaitable[None]], say: Callable[[str], None]) -> None:
        async with self._client:
            await self._deploy()
            disturbance = asyncio.ensure_future(disturb())
            starts: list[asyncio.Task[None]] = []
            while not disturbance.done():
                starts.append(asyncio.create_task(self._start(len(starts))))
                await asyncio.sleep(1 / PER_S)
            await disturbance
            await asyncio.gather(*starts)
            say(
                f"{len(self._accepted)} runs were accepted; "
                f"{self._refused} requests were refused or broken off, and repeated"
            )
            await self._all_completed(say)

    async def _deploy(self) -> None:
        answer = await self._client.post(
            "/v1/workflows", content=WORKFLOW, headers={"content-type": "application/yaml"}
        )
        answer.raise_for_status()

    async def _start(self, number: int) -> None:
        deadline = time.monotonic() + END_S
        while time.monotonic() < deadline:
            try:
                answer = await self._client.post(
                    "/v1/workflows/demo/load/runs", json={"number": number},
                    headers={"idempotency-key": f"load-{number}"},
                )  # fmt: skip
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == HTTPStatus.ACCEPTED:
                self._accepted.add(answer.json()["id"])
                return
            if answer is not None and answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise LostError(f"start {number} was answered {answer.status_code}: {answer.text}")
            self._refused += 1
            await asyncio.sleep(0.5)
        raise LostError(f"start {number} was not accepted within {END_S:.0f} s")

    async def _all_completed(self, say: Callable[[str], None]) -> None:
        began, open_runs = time.monotonic(), set(self._accepted)
        ended: dict[str, str] = {}
        while open_runs and time.monotonic() - began < END_S:
            for run in list(open_runs):
                status = await self._status(run)
                if status in ("completed", "faulted", "cancelled"):
                    ended[run] = status
                    open_runs.discard(run)
            await asyncio.sleep(0.5)
        counted = Counter(ended.values())
        say(
            f"ended: {json.dumps(counted)}, open: {len(open_runs)}, "
            f"{time.monotonic() - began:.0f} s after the last kill"
        )
        if open_runs or counted.keys() - {"completed"}:
            wrong = {run: status for run, status in ended.items() if status != "completed"}
            raise LostError(f"not completed: {wrong or sorted(open_runs)}")
        say("nothing was lost")

    async def _status(self, run: str) -> str:
        try:
            answer = await self._client.get(f"/v1/runs/{run}")
        except httpx.TransportError:
            return "unknown"
        return str(answer.json().get("status")) if answer.status_code == HTTPStatus.OK else "unknown"
