"""A whole stack on which something can go wrong, and what that is."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import nats

from drills.typing_pages import RUNBOOKS, Typist
from faults.harness import FaultStack
from kit.waiting import eventually
from visapi.admin import nats_rights
from visapi.stack.data_directory import DataDirectory

_YAML = {"Content-Type": "application/yaml"}


class Patient:
    """A whole stack, its receivers, and a client of it."""

    def __init__(self, stack: FaultStack, folder: Path) -> None:
        """What is typed is typed in `folder`."""
        self.stack = stack
        self.folder = folder
        self.data = DataDirectory(stack.stack.data_dir)
        ready = stack.stack.ready
        headers = {"Authorization": f"Bearer {ready.api_key}"}
        self.client = httpx.AsyncClient(base_url=ready.gateway, headers=headers, timeout=20, trust_env=False)
        self._open: list[Any] = []
        self.environ: dict[str, str] = {}
        """What the shell has set in which pages are typed."""
        self.kept: dict[str, Any] = {}
        """What a drill keeps from its beginning to its end."""
        self.beside = contextlib.ExitStack()
        """What was started for one drill and ends with all."""

    async def close(self) -> None:
        for connection in self._open:
            connection.terminate()
        await self.client.aclose()
        await asyncio.to_thread(self.beside.close)

    async def connection(self, role: str) -> Any:
        """To the database, open until the end."""
        port = self.stack.stack.processes()["postgres"].ports["postgres"]
        password = self.data.secrets().postgres[role]
        opened: Any = await asyncpg.connect(f"postgresql://{role}:{password}@127.0.0.1:{port}/visapi")
        self._open.append(opened)
        return opened

    async def deploy(self, document: bytes) -> str:
        answer = await self.client.post("/v1/workflows", content=document, headers=_YAML)
        assert answer.status_code in (200, 201), answer.text
        return f"/v1/workflows/{answer.json()['namespace']}/{answer.json()['name']}/runs"

    async def start(self, document: bytes) -> str:
        """A run of the workflow; its id."""
        target = await self.deploy(document)
        body = {"number": 1, "hook": self.stack.receivers.hook_url}
        answer = await self.client.post(target, json=body)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return answer.json()["id"]

    async def becomes(self, run: str, status: str) -> None:
        async def is_so() -> bool:
            return (await self.client.get(f"/v1/runs/{run}")).json()["status"] == status

        await eventually(is_so, what=f"the run {status}")

    async def publish(self, subject: str, body: bytes) -> None:
        """On the stream of events, with the rights of the orchestrator."""
        port = self.stack.stack.processes()["nats"].ports["nats"]
        user = nats_rights.ORCHESTRATOR
        password = self.data.secrets().nats[user]
        bus: Any = await nats.connect(
            f"nats://{user}:{password}@127.0.0.1:{port}", inbox_prefix=f"_INBOX.{user}".encode()
        )
        await bus.jetstream().publish(subject, body)
        await bus.close()

    def signal(self, name: str, number: signal.Signals) -> None:
        process = self.stack.stack.processes()[name].pid
        assert process is not None
        os.kill(process, number)


class Ailment(NamedTuple):
    what: str
    """For the table."""
    begin: Callable[[Patient], Coroutine[Any, Any, None]]
    lasts: bool = True
    """Whether it stays until somebody mends it, so that the page's check must fail before."""
    page: Path = RUNBOOKS
    meanwhile: Callable[[Patient, Typist], Coroutine[Any, Any, None]] | None = None
    """What happens while the page is typed."""
    after: Callable[[Patient], Coroutine[Any, Any, None]] | None = None
    """What must hold afterwards, beside the page's own check."""
