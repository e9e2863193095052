"""Poison while processes are killed: it costs itself only, and no run of the load."""

import asyncio
import contextlib
import time

import asyncpg
import httpx

from faults.harness import FaultStack
from kit.poison import Poison, Prepared, letters_of, letters_soon
from kit.waiting import eventually

EMITS = 16
_TENANT = "default"
_GIVE_UP_S = 60.0
_LETTERS_S = 90.0
_DOWN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class Poisoned:
    """The poison of one fault run."""

    def __init__(self, stack: FaultStack, client: httpx.AsyncClient) -> None:
        self._stack = stack
        self._poison = Poison(client, _TENANT, stack.ledger_url)
        self._prepared: Prepared | None = None

    async def prepare(self, name: str) -> None:
        """While everything works still."""
        self._prepared = await self._poison.prepare(name)

    async def plant(self) -> None:
        """Beside the faults: PostgreSQL may be away, and its answer may be lost."""
        assert self._prepared is not None
        give_up = time.monotonic() + _GIVE_UP_S
        while True:
            try:
                await self._poison.plant(self._prepared, emits=EMITS)
            except _DOWN:
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(0.2)
            else:
                break
        self._stack.letters += letters_soon(EMITS)

    async def quarantined(self) -> None:
        """Wait until all poison that was planted on this stack so far stands in dead letters, each once."""
        wanted = self._stack.letters

        async def stand() -> bool:
            with contextlib.suppress(*_DOWN):
                return await letters_of(self._stack.ledger_url, list(wanted)) == wanted
            return False

        await eventually(stand, within_s=_LETTERS_S)
