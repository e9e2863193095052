"""A stack of its own for a fault run: real processes, real receivers, kill -9 from outside."""

import asyncio
import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx
import msgspec

from faults.checker import ENDED, EffectSeen, Observation, RunSeen
from visapi.stack.standins.smtp_sink import SmtpSink
from visapi.stack.standins.webhook_receiver import WebhookReceiver

_VISAPI = str(Path(sys.executable).with_name("visapi"))
_WORKFLOW = Path(__file__).with_name("workflow.yaml")


class FaultStack:
    """The embedded stack under test, and everything an outsider can see of it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self._ready_file = folder / "ready.json"
        self._log = folder / "up.log"
        self.hooks = WebhookReceiver()
        self.mails = SmtpSink()
        self.accepted: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.AsyncClient(timeout=10, trust_env=False)
        self._url = ""

    async def start(self) -> None:
        hook_url, smtp_url = await self.hooks.start(), await self.mails.start()
        self._hook_url = hook_url + "/hook"
        environment = {
            **os.environ,
            "VISAPI_SMTP_URL": smtp_url,
            "VISAPI_EGRESS_ALLOW": "127.0.0.0/8",
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [_VISAPI, "up", "--data-dir", str(self.data), "--ready-file", str(self._ready_file)],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        await self._until_ready()
        ready = msgspec.json.decode(self._ready_file.read_bytes())
        self._url = ready["gateway"].rstrip("/")
        self._client.headers["Authorization"] = f"Bearer {ready['api_key']}"
        answer = await self._client.post(
            f"{self._url}/v1/workflows",
            content=_WORKFLOW.read_bytes(),
            headers={"Content-Type": "application/yaml"},
        )
        assert answer.status_code in (200, 201), answer.text

    async def _until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 60
        while not self._ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the stack did not come up:\n{self._log.read_text()[-4000:]}")
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                await asyncio.to_thread(self._process.wait, 40)
            except subprocess.TimeoutExpired:
                self._process.kill()
        await self._client.aclose()
        await self.hooks.stop()
        await self.mails.stop()

    # ---- faults

    def kill(self, name: str) -> None:
        """`kill -9` of one process of the stack; a service takes its children with it or not, as it falls."""
        os.kill(self._pid(name), signal.SIGKILL)

    def wipe_nats(self) -> None:
        """Take NATS's whole store away, then `kill -9` it: it comes back knowing nothing."""
        for store in self.data.glob("nats/**/jetstream"):
            store.rename(store.with_name(f"jetstream.lost-{time.monotonic_ns()}"))
        self.kill("nats")

    def _pid(self, name: str) -> int:
        told = subprocess.run(
            [_VISAPI, "status", "--json", "--data-dir", str(self.data)], capture_output=True, timeout=20, check=True
        )
        for process in msgspec.json.decode(told.stdout)["processes"]:
            if process["name"] == name and process["pid"]:
                return int(process["pid"])
        raise AssertionError(f"no process {name} in {told.stdout.decode()}")

    # ---- load

    async def start_runs(self, count: int, *, at: dict[int, Any], concurrency: int = 16) -> None:
        """Start `count` runs as a careful client does: the same Idempotency-Key until `202`.

        `at` maps a number of starts to a fault, called when that many were sent.
        """
        numbers = iter(range(count))

        async def client() -> None:
            for number in numbers:
                if number in at:
                    await asyncio.to_thread(at[number])
                self.accepted.add(await self._start_one(number))

        async with asyncio.timeout(180), asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(client())

    async def _start_one(self, number: int) -> str:
        while True:
            try:
                answer = await self._client.post(
                    f"{self._url}/v1/workflows/faults/three-effects/runs",
                    json={"number": number, "hook": self._hook_url},
                    headers={"Idempotency-Key": f"start-{number}"},
                )
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == 202:
                return str(answer.json()["id"])
            assert answer.status_code in (429, 500, 502, 503), answer.text
            assert answer.status_code != 500, f"a 500 is a bug: {answer.text}"
            await asyncio.sleep(min(1.0, float(answer.headers.get("Retry-After", "0.2"))))

    # ---- observation

    async def quiet(self, *, timeout_s: float) -> float:
        """Wait until every accepted run ended or is held; returns how long that took, in seconds."""
        began = time.monotonic()
        open_runs = set(self.accepted)
        while open_runs and time.monotonic() - began < timeout_s:
            held = await self._held()
            for run in sorted(open_runs):
                view = await self._get(f"/v1/runs/{run}")
                if view["status"] in ENDED or run in held:
                    open_runs.discard(run)
            await asyncio.sleep(0.3)
        return time.monotonic() - began

    async def observe(self) -> Observation:
        held = await self._held()
        runs: dict[str, RunSeen] = {}
        for run in sorted(self.accepted):
            view = await self._get(f"/v1/runs/{run}")
            history = [(item["seq"], item["type"]) async for item in self._history(run)]
            runs[run] = RunSeen(run, view["status"], run in held, history)
        return Observation(frozenset(self.accepted), 0, runs, self._webhooks(), self._mails())

    async def _history(self, run: str) -> AsyncIterator[dict[str, Any]]:
        target = f"/v1/runs/{run}/history"
        while target:
            page = await self._get(target)
            for item in page["items"]:
                yield item
            target = f"/v1/runs/{run}/history?cursor={page['next']}" if page["next"] else ""

    async def _held(self) -> set[str]:
        page = await self._get("/v1/dead-letters?limit=200")
        return {str(letter["run"]) for letter in page["items"] if letter["reason"] == "uncertain"}

    async def _get(self, target: str) -> Any:
        for _ in range(150):
            with contextlib.suppress(httpx.TransportError):
                answer = await self._client.get(self._url + target)
                if answer.status_code == 200:
                    return answer.json()
                assert answer.status_code in (429, 503), f"{target}: {answer.status_code} {answer.text}"
            await asyncio.sleep(0.2)
        raise AssertionError(f"{target} did not answer for 30 s")

    def _webhooks(self) -> list[EffectSeen]:
        seen: list[EffectSeen] = []
        for call in self.hooks.received:
            run = msgspec.json.decode(call["body"].encode())["run"]
            seen.append(EffectSeen(run, str(call["id"]), call["sha256"]))
        return seen

    def _mails(self) -> list[EffectSeen]:
        seen: list[EffectSeen] = []
        for mail in self.mails.received:
            message = message_from_bytes(mail.content, policy=policy.default)
            run = str(message["Subject"]).removeprefix("run ")
            digest = hashlib.sha256(mail.content).hexdigest()
            seen.append(EffectSeen(run, str(message["Message-ID"]), digest))
        return seen
