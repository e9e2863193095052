"""Follows accepted runs through the API until they ended, and collects what an outsider can know of them."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx

from faults.checker import ENDED, Observation, RunSeen
from faults.receivers import Receivers

_PAGE = 200
_GIVE_UP_S = 30.0
_PAUSE_S = 0.2


class Watched:
    """The runs that a load has started: `accepted`, and `cancelled` among them."""

    def __init__(self, client: httpx.AsyncClient, receivers: Receivers) -> None:
        self._client = client
        self._receivers = receivers
        self.accepted: set[str] = set()
        self.cancelled: set[str] = set()
        self.times: dict[str, tuple[float, float]] = {}
        """When each ended run was created and ended, in Unix seconds; filled by `observe`."""

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

    async def observe(self, without_effects: frozenset[str] = frozenset()) -> Observation:
        """Everything an outsider can know now."""
        held = await self._held()
        runs: dict[str, RunSeen] = {}
        for run in sorted(self.accepted):
            view = await self._get(f"/v1/runs/{run}")
            history = [(item["seq"], item["type"]) async for item in self._history(run)]
            runs[run] = RunSeen(run, view["status"], run in held, history, str(view["error"] or ""))
            if view["ended_at"] is not None:
                self.times[run] = (_unix_s(view["created_at"]), _unix_s(view["ended_at"]))
        webhooks, mails = self._receivers.webhooks(), self._receivers.sent_mails()
        return Observation(
            frozenset(self.accepted), 0, runs, webhooks, mails, cancelled=frozenset(self.cancelled),
            without_effects=without_effects,
        )  # fmt: skip

    async def _history(self, run: str) -> AsyncIterator[dict[str, Any]]:
        async for item in self._items(f"/v1/runs/{run}/history"):
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
        give_up = time.monotonic() + _GIVE_UP_S
        while time.monotonic() < give_up:
            try:
                answer = await self._client.get(target)
            except httpx.TransportError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if answer.status_code == 200:
                return answer.json()
            assert answer.status_code in (429, 503), f"{target}: {answer.status_code} {answer.text}"
            await asyncio.sleep(advice_s(answer.headers))
        raise AssertionError(f"{target} did not answer for {_GIVE_UP_S:g} s")


def advice_s(headers: Any) -> float:
    """How long an answer asks to wait, at most a second here."""
    return min(1.0, float(headers.get("Retry-After", "0.2")))


def _unix_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
