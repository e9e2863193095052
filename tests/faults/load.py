"""A careful client: starts runs at a steady pace, never loses an answer, and looks how they ended."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Self

import httpx

from faults.harness import FaultStack, workflow
from faults.poisoned import Poisoned
from faults.watching import Watched, advice_s

Fault = Callable[[], None]


class Load(Watched):
    """The runs of one fault. `name` makes their idempotency keys its own."""

    def __init__(self, stack: FaultStack, name: str, *, definition: str = "workflow") -> None:
        ready = stack.stack.ready
        client = httpx.AsyncClient(
            base_url=ready.gateway,
            headers={"Authorization": f"Bearer {ready.api_key}"},
            timeout=10,
            trust_env=False,
        )
        super().__init__(client, stack.receivers)
        self._stack = stack
        self._name = name.replace(" ", "-")
        self._definition = workflow(definition)
        self._target = ""
        self._poisoned = Poisoned(stack, client)
        self.answers: Counter[int] = Counter()
        """Answers to starts, by status; 0 is a broken connection."""
        self.slowest_start_s = 0.0

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
            json={"number": number, "hook": self._stack.receivers.hook_url},
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
        """Also until the poison stands in dead letters."""
        await super().settle(timeout_s=timeout_s)
        await self._poisoned.quarantined()

    def recovery_s(self) -> float:
        """How long after the last fault before it ended, the slowest run that had begun then ended.
        Call it after `observe`.
        """
        longest = 0.0
        for created, ended in self.times.values():
            struck = [fault for fault in self._stack.faults if created <= fault < ended]
            longest = max(longest, ended - struck[-1] if struck else 0.0)
        return longest
