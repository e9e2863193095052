"""The embedded stack as a user starts it, for one test: `visapi up` in a folder of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec

from kit.stack import StackProcess


class RunningStack(msgspec.Struct, frozen=True):
    """What the ready file told."""

    gateway: str
    api_key: str
    nats: str
    metrics: dict[str, str]

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.AsyncClient(base_url=self.gateway, headers=headers, timeout=20, trust_env=False)


async def until(holds: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Wait for a condition; say what was waited for when it does not come."""
    try:
        async with asyncio.timeout(timeout_s):
            while not holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s} s for {what}") from None


@asynccontextmanager
async def running_stack(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[RunningStack]:
    """Start the stack with `settings` beside the plain environment; stop it with SIGTERM. The data stays."""
    process = StackProcess(settings, folder=folder)
    try:
        await asyncio.to_thread(process.start)
        yield msgspec.json.decode(process.ready_file.read_bytes(), type=RunningStack)
    finally:
        await asyncio.to_thread(process.stop)
