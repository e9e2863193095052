"""A careful client: starts runs at a steady pace, never loses an answer, and looks how they ended."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Self

import httpx

from faults.checker import ENDED, Observation, RunSeen
from faults.harness import FaultStack, advice_s, workflow
from faults.poisoned import Poisoned

Fault = Callable[[], None]
_PAGE = 200


class Load:
    """The runs of one fault. `name` makes their idempotency keys its own."""

    def __init__(self, stack: FaultStack, name: str, *, definition: str = "workflow") -> None:
        self._stack = stack
        self._name = name.replace(" ", "-")
        self._definition = workflow(definition)
        ready = stack.stack.ready
        self._client = httpx.AsyncClient(
            base_url=ready.gateway,
            headers={"Authorization": f"Bearer {ready.api_key}"},
            timeout=10,
            trust_env=False,
        )
        self._target = ""
        self._poisoned = Poisoned(stack, self._client)
        self.accepted: set[str] = set()
        self.cancelled: set[str] = set()
        self.answers: Counter[int] = Counter()
        """Answers to starts, by status; 0 is a broken connection."""
        self.slowest_start_s = 0.0
        self._times: dict[str, tuple[float, float]] = {}

    async def __aenter__(self) -> Self:
        answer = await self._client.post(
            "/v1/workflows", content=self._definition, headers={"Content-Type": "application/yaml"}
        )
        assert answer.status_code in (200, 201), answer.text
        at = answer.json()
        self._target = f"/v1/workflows/{at['namespace']}/{at['name']}/runs"
        await self._poisoned.prepare(self._name)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def start_runs(
        self, count: int, *, seconds: float, at: Mapping[int, Fault], cancel_every: int = 0
    ) -> None:
        """Start `count` runs evenly over `seconds`. `at` maps a number of starts to a fault; every
        `cancel_every`-th run is asked to cancel as soon as it is accepted. Right after the first fault poison
        is planted, of every kind.
        """
        began = time.monotonic()
        async with asyncio.timeout(240), asyncio.TaskGroup() as group:
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number * seconds / count - time.monotonic()))
                if number in at:
                    group.create_task(asyncio.to_thread(at[number]))
                if number == min(at) + 1:
                    group.create_task(self._poisoned.plant())
                cancel = cancel_every > 0 and number % cancel_every == 0
                group.create_task(self._one(number, cancel=cancel))

    async def _one(self, number: int, *, cancel: bool) -> None:
        began = time.monotonic()
        answer = await self._insist(
            self._target,
            json={"number": number, "hook": self._stack.hook_url},
            headers={"Idempotency-Key": f"{self._name}-{number}"},
        )
        assert answer.status_code == 202, answer.text
        run = str(answer.json()["id"])
        self.accepted.add(run)
        self.slowest_start_s = max(self.slowest_start_s, time.monotonic() - began)
        if cancel:
            answer = await self._insist(f"/v1/runs/{run}/cancel", json={})
            assert answer.status_code in (200, 202, 409), answer.text
            self.cancelled.add(run)

    async def _insist(self, target: str, **request: Any) -> httpx.Response:
        """Post until somebody answers for good; a `500` is always a defect."""
        while True:
            try:
                answer = await self._client.post(target, **request)
            except httpx.TransportError:
                self.answers[0] += 1
                await asyncio.sleep(0.2)
                continue
            self.answers[answer.status_code] += 1
            assert answer.status_code != 500, f"a 500 is a defect: {answer.text}"
            if answer.status_code not in (429, 502, 503):
                return answer
            assert answer.status_code != 503 or "Retry-After" in answer.headers, "a 503 without Retry-After"
            await asyncio.sleep(advice_s(answer.headers))

    # ---- how it ended

    async def settle(self, *, timeout_s: float) -> None:
        """Wait until every accepted run ended or is held, or the time is over."""
        give_up = time.monotonic() + timeout_s
        open_runs = set(self.accepted)
        while open_runs and time.monotonic() < give_up:
            held = await self._held()
            for run in sorted(open_runs):
                view = await self._get(f"/v1/runs/{run}")
                if view["status"] in ENDED or run in held:
                    open_runs.discard(run)
            await asyncio.sleep(0.3)
        await self._poisoned.quarantined()

    async def observe(self) -> Observation:
        """Everything an outsider can know now."""
        held = await self._held()
        runs: dict[str, RunSeen] = {}
        for run in sorted(self.accepted):
            view = await self._get(f"/v1/runs/{run}")
            history = [(item["seq"], item["type"]) async for item in self._history(run)]
            runs[run] = RunSeen(run, view["status"], run in held, history, str(view["error"] or ""))
            if view["ended_at"] is not None:
                self._times[run] = (_unix_s(view["created_at"]), _unix_s(view["ended_at"]))
        webhooks, mails = self._stack.webhooks(), self._stack.sent_mails()
        return Observation(
            frozenset(self.accepted), 0, runs, webhooks, mails, cancelled=frozenset(self.cancelled)
        )

    def recovery_s(self) -> float:
        """How long after the last fault before it ended, the slowest run that had begun then ended.
        Call it after `observe`.
        """
        longest = 0.0
        for created, ended in self._times.values():
            struck = [fault for fault in self._stack.faults if created <= fault < ended]
            longest = max(longest, ended - struck[-1] if struck else 0.0)
        return longest

    async def _history(self, run: str) -> AsyncIterator[dict[str, Any]]:
        target = f"/v1/runs/{run}/history"
        async for item in self._items(target):
            yield item

    async def _held(self) -> set[str]:
        letters = self._items(f"/v1/dead-letters?resolved=false&limit={_PAGE}")
        return {str(letter["run"]) async for letter in letters if letter["reason"] == "uncertain"}

    async def _items(self, target: str) -> AsyncIterator[dict[str, Any]]:
        cursor = ""
        while True:
            joint = "&" if "?" in target else "?"
            page = await self._get(f"{target}{joint}cursor={cursor}" if cursor else target)
            for item in page["items"]:
                yield item
            if not page["next"]:
                return
            cursor = page["next"]

    async def _get(self, target: str) -> Any:
        for _ in range(150):
            try:
                answer = await self._client.get(target)
            except httpx.TransportError:
                await asyncio.sleep(0.2)
                continue
            if answer.status_code == 200:
                return answer.json()
            assert answer.status_code in (429, 503), f"{target}: {answer.status_code} {answer.text}"
            await asyncio.sleep(advice_s(answer.headers))
        raise AssertionError(f"{target} did not answer for 30 s")


def _unix_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
