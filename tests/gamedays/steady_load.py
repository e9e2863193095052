"""A load that goes on at one pace whatever happens, and remembers every answer.

A start that is refused or not answered is sent again under its idempotency key, to the next gateway, as a load balancer and
a careful client do together: so each start is accepted in the end, and what it took is known.
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from faults.receivers import Receivers
from faults.watching import Watched, advice_s

_WORKFLOWS = Path(__file__).parent / "workflows"
_ANSWER_S = 10.0
_GIVE_UP_S = 300.0
INSIDE, OUTSIDE = "inside", "outside"
"""The bystander's workflow, and the one with effects."""


@dataclass
class Start:
    """One start: when it was due, and what became of it."""

    flow: str
    sent_at: float
    accepted_at: float | None = None
    run: str = ""
    refused: Counter[int] = field(default_factory=Counter[int])
    """Answers that were no `202`, by status; 0 is no answer."""

    @property
    def took_s(self) -> float:
        """From the first sending to the `202`."""
        return 0.0 if self.accepted_at is None else self.accepted_at - self.sent_at


class SteadyLoad(Watched):
    """See the module's docstring. `gateways` are tried in turn; what is read is read from the first."""

    def __init__(
        self, gateways: Sequence[str], key: str, receivers: Receivers, *, hook: str, per_s: float
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._clients = [
            httpx.AsyncClient(base_url=url, headers=headers, timeout=_ANSWER_S, trust_env=False)
            for url in gateways
        ]
        super().__init__(self._clients[0], receivers)
        self._hook = hook
        self._pause_s = 1 / per_s
        self._over = asyncio.Event()
        self.starts: list[Start] = []

    async def deploy(self) -> None:
        for flow in (INSIDE, OUTSIDE):
            text = (_WORKFLOWS / f"{flow}.yaml").read_bytes()
            answer = await self._client.post(
                "/v1/workflows", content=text, headers={"Content-Type": "application/yaml"}
            )
            assert answer.status_code in (200, 201), answer.text

    async def run(self) -> None:
        """Start runs until `stop`, one of each workflow in turn; ends when the last one is accepted."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                ahead = began + number * self._pause_s - time.monotonic()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), max(0.0, ahead))
                if self._over.is_set():
                    return
                group.create_task(self._one(number))

    async def stop(self) -> None:
        self._over.set()

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()

    @property
    def inside(self) -> frozenset[str]:
        """The runs that were accepted and have no effect outside."""
        return frozenset(start.run for start in self.starts if start.run and start.flow == INSIDE)

    async def _one(self, number: int) -> None:
        start = Start((INSIDE, OUTSIDE)[number % 2], time.time())
        self.starts.append(start)
        give_up = time.monotonic() + _GIVE_UP_S
        for turn in itertools.count(number // 2):
            answer = await self._try(self._clients[turn % len(self._clients)], number, start.flow)
            if answer is not None and answer.status_code == httpx.codes.ACCEPTED:
                start.accepted_at, start.run = time.time(), str(answer.json()["id"])
                self.accepted.add(start.run)
                return
            start.refused[0 if answer is None else answer.status_code] += 1
            if time.monotonic() > give_up:
                return
            await asyncio.sleep(0.2 if answer is None else advice_s(answer.headers))

    async def _try(self, client: httpx.AsyncClient, number: int, flow: str) -> httpx.Response | None:
        try:
            return await client.post(
                f"/v1/workflows/gameday/{flow}/runs",
                json={"number": number, "hook": self._hook},
                headers={"Idempotency-Key": f"gameday-{number}"},
            )
        except httpx.TransportError:
            return None
