"""An honest tenant whose runs go on at a steady pace while somebody else attacks the stack.

What the bystander notices is the measure of an attack: every run that was asked for completes, and
the latency is printed beside the latency that the same runs had before the attack.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, Literal

import httpx

from attacks.harness import AttackStack, Tenant

Work = Literal["set", "hook", "mail", "pdf"]

_RATES: dict[Work, float] = {"set": 10.0, "hook": 5.0, "mail": 3.0, "pdf": 2.0}
"""Runs per second, small enough that two cores have room for the attack."""
_WAIT_S = 30
_ALONE_S = 3.0

_TASKS: dict[Work, str] = {
    "set": "set: {seen: true}",
    "hook": "call: notify.webhook\n      with: {url: '${ .hook }', payload: {n: '${ .n }'}}",
    "mail": (
        "call: notify.email\n"
        "      with: {to: bystander@example.com, subject: '${ \"note \\(.n)\" }', html: '<p>Hello</p>'}"
    ),
    "pdf": "call: pdf.render\n      with: {html: '${ \"<h1>Invoice \\(.n)</h1>\" }'}",
}


class Seen:
    """Latencies in seconds of the runs of one phase, and everything that went wrong with others."""

    def __init__(self, work: Work) -> None:
        self.work: Work = work
        self.latencies_s: list[float] = []
        self.failures: list[str] = []

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000 if ordered else 0.0

    def told(self) -> str:
        return (
            f"{len(self.latencies_s)} runs, {len(self.failures)} failed, "
            f"p50 {self.percentile_ms(0.5):.0f} ms, p99 {self.percentile_ms(0.99):.0f} ms"
        )


class Bystander:
    """See the module's docstring. Made by the fixture `bystander`. `alone`: what was seen before an attack."""

    def __init__(self, stack: AttackStack, tenant: Tenant, alone: dict[Work, Seen]) -> None:
        self._stack = stack
        self._tenant = tenant
        self._targets: dict[Work, str] = {}
        self._alone = alone

    @contextlib.asynccontextmanager
    async def at_work(
        self, *works: Work, attack: str, p99_ms: float = 5000.0, failures: int = 0
    ) -> AsyncIterator[None]:
        """Keep the bystander's runs going while the body attacks; then judge what the bystander saw.

        `works` are the kinds of runs (default: `set`). Fails when more than `failures` runs did not complete
        or when the p99 exceeds `p99_ms`, a bound far above what an idle machine needs: tests share two cores.
        """
        kinds: tuple[Work, ...] = works or ("set",)
        for work in kinds:
            if work not in self._alone:
                self._alone[work] = await self._measure_alone(work)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            phases = [group.create_task(self._keep_going(work, stop)) for work in kinds]
            try:
                yield
            finally:
                stop.set()
        for phase in phases:
            self._judge(phase.result(), attack, p99_ms, failures)

    def _judge(self, seen: Seen, attack: str, p99_ms: float, failures: int) -> None:
        alone = self._alone[seen.work]
        print(f"\n{attack}: bystander ({seen.work}) {seen.told()}; alone {alone.told()}")
        assert seen.latencies_s, f"{attack}: none of the bystander's runs ended"
        assert len(seen.failures) <= failures, f"{attack}: the bystander saw {seen.failures[:5]}"
        assert seen.percentile_ms(0.99) <= p99_ms, f"{attack}: the bystander waited: {seen.told()}"

    async def _measure_alone(self, work: Work) -> Seen:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(_ALONE_S, stop.set)
        seen = await self._keep_going(work, stop)
        assert not seen.failures, f"the bystander fails without any attack: {seen.failures[:5]}"
        return seen

    async def _keep_going(self, work: Work, stop: asyncio.Event) -> Seen:
        if work not in self._targets:
            self._targets[work] = await self._tenant.deploy(_document(work))
        seen, began, number = Seen(work), time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                scheduled = began + number / _RATES[work]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, scheduled - time.monotonic())):
                        await stop.wait()
                group.create_task(self._one(seen, number, scheduled))
                number += 1
        return seen

    async def _one(self, seen: Seen, number: int, scheduled: float) -> None:
        body: Any = {"n": number, "hook": self._stack.hook_url}
        try:
            answer = await self._tenant.start(self._targets[seen.work], body, wait_s=_WAIT_S)
        except httpx.TransportError as error:
            seen.failures.append(repr(error))
            return
        if answer.status_code == httpx.codes.OK and answer.json()["status"] == "completed":
            seen.latencies_s.append(time.monotonic() - scheduled)
        else:
            seen.failures.append(f"{answer.status_code} {answer.text[:300]}")


def _document(work: Work) -> str:
    head = f"document: {{dsl: '1.0.3', namespace: bystander, name: {work}, version: '1.0.0'}}\n"
    return f"{head}do:\n  - work:\n      {_TASKS[work]}\n"
