"""The embedded stack as a user starts it, for one test: `visapi up` in a folder of its own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
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


async def database(data: Path, role: str | None = None) -> asyncpg.Connection:
    """PostgreSQL as this role, or as the schema's owner."""
    passwords = msgspec.json.decode((data / "secrets.json").read_bytes())["postgres"]
    services = {"visapi_gateway", "visapi_orchestrator", "visapi_notifier"}
    user = role or next(iter(set(passwords) - services))
    processes = msgspec.json.decode((data / "state.json").read_bytes())["processes"]
    port = next(each["ports"]["postgres"] for each in processes if each["name"] == "postgres")
    return await asyncpg.connect(
        host="127.0.0.1", port=port, user=user, password=passwords[user], database="visapi"
    )


def view_of(process: StackProcess) -> RunningStack:
    """A stack that was started."""
    return msgspec.json.decode(process.ready_file.read_bytes(), type=RunningStack)


@asynccontextmanager
async def running_stack(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[RunningStack]:
    """Start the stack with `settings` beside the plain environment; stop it with SIGTERM. The data stays."""
    process = StackProcess(settings, folder=folder)
    try:
        await asyncio.to_thread(process.start)
        yield view_of(process)
    finally:
        await asyncio.to_thread(process.stop)
