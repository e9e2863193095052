"""What the metrics of a whole stack were before and after, and one afternoon of it in which most of them move."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from kit.running_stack import RunningStack
from kit.waiting import eventually
from visapi.stack.data_directory import DataDirectory
from visapi.stack.standins.smtp_sink import SmtpFault, SmtpSink
from visapi.stack.supervisor import ProcessState

Samples = dict[str, list[Sample]]
"""The samples of each service."""
YAML = {"Content-Type": "application/yaml"}
HEAD = "document: {dsl: '1.0.3', namespace: moving, name: NAME, version: '1.0.0'}\ndo:\n"
ALL_AT_ONCE = """
  - nap: {wait: {milliseconds: 20}}
  - letter: {call: pdf.render, with: {html: <p>moved</p>}}
  - send: {call: notify.email, with: {to: [a@example.com], subject: moved, text: moved}}
"""
NIGHT = "  - night: {wait: {hours: 8}}\n"
ASIDE = "  - ask: {call: http, with: {method: get, endpoint: 'http://10.1.2.3/'}}\n"
SPIN = "  - spin: {set: {n: '${ last(range(1e12)) }'}}\n"
COUNT = "  - count: {set: {n: '${ .n | tostring | ascii_downcase }'}}\n"


class Afternoon:
    """A stack, its mail server, and who reads its metrics."""

    def __init__(self, stack: RunningStack, folder: Path, mails: SmtpSink) -> None:
        self._stack = stack
        self._data = DataDirectory(folder / "data")
        self.mails = mails

    async def samples(self) -> Samples:
        found: Samples = {}
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            for service, url in self._stack.metrics.items():
                page = (await client.get(f"{url}/metrics")).text
                found[service] = [s for f in text_string_to_metric_families(page) for s in f.samples]
        return found

    async def level(self, service: str, name: str, **labels: str) -> float:
        """A gauge, now."""
        return value(await self.samples(), service, name, labels)

    def pid(self, name: str) -> int | None:
        """The process; nothing while it does not serve."""
        state = self._data.state()
        for each in () if state is None else state.processes:
            if each.name == name and each.state is ProcessState.READY:
                return each.pid
        return None

    def kill_child(self, of: str, word: str) -> None:
        """`kill -9` of the first descendant of a process whose command line has a word."""
        parent = self.pid(of)
        assert parent is not None
        children = psutil.Process(parent).children(recursive=True)
        found = next(child for child in children if word in " ".join(child.cmdline()))
        found.send_signal(signal.SIGKILL)

    async def kill(self, name: str) -> None:
        """`kill -9` of a process, and wait for its successor."""
        before = self.pid(name)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        await eventually(lambda: self.pid(name) not in (None, before), what=f"{name} back")


def value(samples: Samples, service: str, name: str, labels: Mapping[str, str]) -> float:
    """The sum of a metric's samples that carry these labels."""
    return sum(
        sample.value
        for sample in samples[service]
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def deploy(client: httpx.AsyncClient) -> None:
    for name, do in {
        "all": ALL_AT_ONCE,
        "night": NIGHT,
        "aside": ASIDE,
        "count": COUNT,
        "spin": SPIN,
    }.items():
        text = HEAD.replace("NAME", name) + do
        answer = await client.post("/v1/workflows", content=text, headers=YAML)
        assert answer.status_code == 201, answer.text


async def start(client: httpx.AsyncClient, name: str, *, wait_s: int = 30, key: str = "") -> httpx.Response:
    headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
    headers |= {"Idempotency-Key": key} if key else {}
    return await client.post(f"/v1/workflows/moving/{name}/runs", json={"n": 1}, headers=headers)


async def ended(client: httpx.AsyncClient, name: str, status: str, **options: Any) -> None:
    answer = await start(client, name, **options)
    assert (answer.status_code, answer.json()["status"]) == (200, status), answer.text


@asynccontextmanager
async def followed(client: httpx.AsyncClient) -> AsyncIterator[None]:
    """Somebody follows a run that waits."""
    run = (await start(client, "night", wait_s=0)).json()["id"]
    headers = {"Accept": "text/event-stream"}
    async with client.stream("GET", f"/v1/runs/{run}/history", headers=headers) as stream:
        assert stream.status_code == 200
        yield


async def an_afternoon(client: httpx.AsyncClient, at: Afternoon) -> None:
    """Runs that end well and badly, refusals, and processes that die."""
    await ended(client, "all", "completed", key="once")
    assert (await start(client, "all", wait_s=0, key="once")).headers["idempotent-replayed"] == "true"
    assert (await start(client, "missing")).status_code == 404
    wrong = await client.get("/v1/runs", headers={"Authorization": "Bearer x"})
    assert wrong.status_code == 401
    await ended(client, "aside", "faulted")
    async with followed(client):
        await eventually(lambda: at.level("gateway", "visapi_sse_followers"), what="a follower")
        assert await at.level("gateway", "visapi_http_connections") >= 1
        # There is no slot for a second: it is started, and nobody waits for its end.
        assert (await start(client, "night", wait_s=5)).status_code == 202
    at.mails.faults.append(SmtpFault.DROP_AFTER_DATA)
    assert (await start(client, "all", wait_s=0)).status_code == 202
    await eventually(lambda: _holds(client), what="the mail whose outcome nobody knows")


async def _holds(client: httpx.AsyncClient) -> bool:
    letters = (await client.get("/v1/dead-letters?resolved=false")).json()["items"]
    return any(letter["reason"] == "uncertain" for letter in letters)


async def deaths(client: httpx.AsyncClient, at: Afternoon) -> None:
    """An engine process uses up its time, a browser and NATS die; the runs go on."""
    await ended(client, "spin", "faulted")
    at.kill_child("pdf-worker", "chrom")
    await ended(client, "all", "completed")
    nats, start_while_away = at.pid("nats"), asyncio.create_task(at.kill("nats"))
    await eventually(lambda: at.pid("nats") != nats, what="NATS away")
    await ended(client, "count", "completed")
    await start_while_away
