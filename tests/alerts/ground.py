"""The stack under trial, and how it is reached behind its own back: processes, rows, subjects."""

import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nats
import psutil

from alerts.receivers import Loop, Receivers
from kit.ledger_rows import move_back, plant
from kit.poison import orchestrators_url
from kit.stack import OPEN_RATES, StackProcess
from kit.tenants import owner_url
from visapi.stack.data_directory import DataDirectory
from visapi.stack.processes import wait_for
from visapi.stack.supervisor import ProcessState

_BACK_S = 180.0
PASSING = (
    httpx.TransportError,
    AssertionError,
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
"""What may go wrong while a fault lasts."""
YAML = {"Content-Type": "application/yaml"}


class Ground:
    """See the module's docstring. Everything blocks."""

    def __init__(self, folder: Path, loop: Loop, receivers: Receivers, settings: dict[str, str]) -> None:
        self.loop = loop
        self.receivers = receivers
        self.stack = StackProcess({
            **OPEN_RATES,
            "VISAPI_SMTP_URL": receivers.mail_url,
            "VISAPI_SLACK_TOKEN": "xoxb-alerts",
            "VISAPI_SLACK_BASE_URL": f"{receivers.chat_url}/api",
            "VISAPI_EGRESS_ALLOW": "127.0.0.0/8",
            **settings,
        }, folder=folder)  # fmt: skip
        self.folder = folder
        self._client: httpx.Client | None = None

    def start(self) -> None:
        ready = self.stack.start()
        headers = {"Authorization": f"Bearer {ready.api_key}"}
        self._client = httpx.Client(base_url=ready.gateway, headers=headers, timeout=15, trust_env=False)
        self.orchestrators_url = orchestrators_url(self.pid("orchestrator"))
        self.owners_url = owner_url(self.stack.data_dir, self.pid("gateway"))

    def stop(self) -> None:
        self.stack.close()

    # ---- over HTTP

    @property
    def client(self) -> httpx.Client:
        assert self._client is not None
        return self._client

    def deploy(self, name: str, do: str, *, schedule: str = "", version: str = "1.0.0") -> None:
        head = f"document: {{dsl: '1.0.3', namespace: alerts, name: {name}, version: '{version}'}}\n"
        text = head + (f"schedule: {schedule}\n" if schedule else "") + f"do:\n{do}\n"
        answer = self.client.post("/v1/workflows", content=text.encode(), headers=YAML)
        assert answer.status_code in (200, 201), answer.text

    def begin(self, name: str, body: Any = None) -> str:
        answer = self.client.post(f"/v1/workflows/alerts/{name}/runs", json=body or {})
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        return str(answer.json()["id"])

    # ---- processes

    def pid(self, name: str) -> int:
        """The process, once it is ready."""

        def ready() -> bool:
            view = self.stack.processes().get(name)
            return view is not None and view.pid is not None and view.state is ProcessState.READY

        wait_for(ready, timeout_s=_BACK_S, what=f"{name} ready")
        process = self.stack.processes()[name].pid
        assert process is not None
        return process

    def kill(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """A process is stopped for a moment."""
        process = self.pid(name)
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    @contextlib.contextmanager
    def ended(self, *names: str, number: signal.Signals = signal.SIGKILL) -> Iterator[None]:
        """Processes end and nobody starts them again, because the supervisor is stopped."""
        processes = [self.pid(name) for name in names]
        os.kill(self.stack.supervisor, signal.SIGSTOP)
        try:
            for process in processes:
                os.kill(process, number)
            yield
        finally:
            os.kill(self.stack.supervisor, signal.SIGCONT)
            for name, process in zip(names, processes, strict=True):
                wait_for(
                    lambda n=name, p=process: self._replaced(n, p), timeout_s=_BACK_S, what=f"{name} back"
                )

    def restart(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """A process ends and its supervisor starts it again."""
        process = self.pid(name)
        os.kill(process, number)
        wait_for(lambda: self._replaced(name, process), timeout_s=_BACK_S, what=f"{name} restarted")

    def children(self, name: str, word: str) -> list[int]:
        """Descendants of a process whose command line has a word."""
        found: list[int] = []
        for child in psutil.Process(self.pid(name)).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if word in " ".join(child.cmdline()):
                    found.append(child.pid)
        return found

    def _replaced(self, name: str, process: int) -> bool:
        view = self.stack.processes().get(name)
        return view is not None and view.pid not in (None, process) and view.state is ProcessState.READY

    # ---- rows

    def rows(self, statement: str, *values: Any, owner: bool = False) -> list[Any]:
        """Run a statement as the orchestrator, or as the owner of the schema."""

        async def work() -> list[Any]:
            async with _connected(self.owners_url if owner else self.orchestrators_url) as database:
                return await database.fetch(statement, *values)

        return self.loop.run(work())

    def plant(self, table: str, **columns: object) -> None:
        """Insert a row that no service writes."""

        async def work() -> None:
            async with _connected(self.orchestrators_url) as database:
                await plant(database, table, **columns)

        self.loop.run(work())

    def move_back(self, table: str, by: timedelta, column: str, **where: object) -> None:
        """Let rows be older than they are."""

        async def work() -> None:
            async with _connected(self.orchestrators_url) as database:
                await move_back(database, table, by, column, **where)

        self.loop.run(work())

    @contextlib.contextmanager
    def locked(self, statement: str, *values: Any) -> Iterator[None]:
        """Somebody's transaction stays open, with the locks of a statement."""
        database = self.loop.run(_connect(self.orchestrators_url))
        try:
            self.loop.run(database.execute("begin"))
            self.loop.run(database.fetch(statement, *values))
            yield
        finally:
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                self.loop.run(database.close())

    def until(self, statement: str, *values: Any) -> None:
        """Wait until a statement finds a row."""
        wait_for(lambda: bool(self.rows(statement, *values)), timeout_s=30, what=statement)

    # ---- subjects

    def publish(self, user: str, subject: str, body: bytes, *, times: int = 1, reply: str = "") -> None:
        """Publish with the rights of a service, or of own workers."""

        async def work() -> None:
            connection = await nats.connect(self.nats_url(user), connect_timeout=5)
            for _ in range(times):
                await connection.publish(subject, body, reply)
            await connection.drain()

        self.loop.run(work())

    def nats_url(self, user: str) -> str:
        password = DataDirectory(self.stack.data_dir).secrets().nats[user]
        port = self.stack.processes()["nats"].ports["nats"]
        return f"nats://{user}:{password}@127.0.0.1:{port}"


async def _connect(url: str) -> Any:
    return await asyncpg.connect(url, timeout=30)


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    database = await _connect(url)
    try:
        yield database
    finally:
        await database.close()


@contextlib.contextmanager
def again_and_again(work: Callable[[], object], *, every_s: float) -> Iterator[None]:
    """Do something in a thread until the end, with pauses between; what is refused is tried again."""
    over = threading.Event()

    def loop() -> None:
        while not over.wait(every_s):
            with contextlib.suppress(*PASSING):
                work()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
