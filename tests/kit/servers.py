"""Real servers for tests, under the same code that the embedded stack uses.

`PostgresServer` and `NatsServer` are controlled synchronously, so that a test may kill -9 one in
the middle of whatever its event loop is doing. Both survive being killed: `start` again brings them
back on the same port with their data.
"""

import asyncio
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from visapi.admin import databases
from visapi.admin.nats_rights import USERS
from visapi.stack import nats, postgres
from visapi.stack.nats_config import ADMIN
from visapi.stack.ports import Reservation
from visapi.stack.processes import ProcessSpec, signal_group, spawn, stop, tail, wait_for
from visapi_common.adapters.migrate import apply_migrations

_TEMPLATE = "visapi_template"
_START_S = 90.0

T = TypeVar("T")


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from anywhere, a running event loop included."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


class RunningProcess:
    """One process that a test starts, kills and starts again."""

    def __init__(self, spec: ProcessSpec) -> None:
        self._spec = spec
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it serves."""
        self._process = spawn(self._spec)
        try:
            wait_for(self._serves, timeout_s=_START_S, what=f"{self._spec.name} ready")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; its log ends:\n{tail(self._spec.log)}") from None

    def _serves(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._spec.name} ended at start; its log ends:\n{tail(self._spec.log)}")
        ready: Callable[[], Awaitable[bool]] = self._spec.ready

        async def ask() -> bool:
            return await ready()

        return run_async(ask())

    def kill(self) -> None:
        """kill -9 of the process and its children, without warning."""
        if self._process is not None:
            signal_group(self._process, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """Stop it in its own way."""
        if self._process is not None:
            stop(self._process, self._spec)
            self._process = None


class Database(msgspec.Struct, frozen=True):
    """A fresh, migrated database of one test. URLs are for asyncpg (`open_pool`)."""

    name: str
    owner: str
    """Of `visapi_owner`; row-level security binds it too. For assertions prefer `superuser`."""
    gateway: str
    orchestrator: str
    notifier: str
    superuser: str
    """Sees every row of every tenant."""


class PostgresServer:
    """A cluster of the test session's own, without fsync: tests kill processes, not the machine."""

    def __init__(
        self,
        *,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
        passwords: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = _temporary_folder("visapi-test-postgres-")
        self._ports = Reservation()
        overrides = {} if durable else {"fsync": "off", "full_page_writes": "off"}
        self.server = postgres.prepare(
            self._folder,
            port=self._ports.any(),
            passwords=passwords or postgres.new_passwords(),
            log=self._folder / "postgres.log",
            overrides={**overrides, **(settings or {})},
        )
        self.process = RunningProcess(self.server.spec())
        self._superuser = self.server.url(postgres.SUPERUSER, "postgres")
        self._numbers = count(1)

    def start(self) -> None:
        self.process.start()

    def prepare_template(self) -> None:
        """Roles, and a template database with the migrations applied."""
        run_async(self._prepare_template())

    async def _prepare_template(self) -> None:
        roles = (databases.OWNER, *databases.SERVICE_ROLES)
        await databases.make_roles(self._superuser, {role: self.server.passwords[role] for role in roles})
        await databases.create_database(self._superuser, _TEMPLATE)
        await apply_migrations(self.server.url(databases.OWNER, _TEMPLATE))

    def create(self) -> Database:
        """A fresh database, about 50 ms."""
        name = f"test_{next(self._numbers)}"
        run_async(self._copy_template(name))
        url = self.server.url
        return Database(
            name=name,
            owner=url(databases.OWNER, name),
            gateway=url("visapi_gateway", name),
            orchestrator=url("visapi_orchestrator", name),
            notifier=url("visapi_notifier", name),
            superuser=url(postgres.SUPERUSER, name),
        )

    async def _copy_template(self, name: str) -> None:
        """As files: PostgreSQL's default, page by page through the log, takes three times as much CPU."""
        async with databases.connection(self._superuser) as by:
            copy = f"create database {name} owner {databases.OWNER} template {_TEMPLATE} strategy file_copy"
            await by.execute(copy)
        await databases.open_database(self._superuser, name)

    def drop(self, database: Database) -> None:
        run_async(self._drop(database.name))

    async def _drop(self, name: str) -> None:
        async with databases.connection(self._superuser) as by:
            await by.execute(f"drop database {name} with (force)")

    def kill(self) -> None:
        self.process.kill()

    def restart(self) -> None:
        """After `kill`, or instead of it: down at once, then up again."""
        self.process.kill()
        self.process.start()

    def close(self) -> None:
        self.process.kill()
        self._ports.release()
        shutil.rmtree(self._folder / "postgres", ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)


class NatsServer:
    """A server with the stack's users and rights, and `admin` who may do everything."""

    def __init__(self) -> None:
        self._folder = _temporary_folder("visapi-test-nats-")
        self._ports = Reservation()
        self.server = nats.prepare(
            self._folder,
            port=self._ports.any(),
            monitor_port=self._ports.any(),
            passwords=nats.new_passwords((*USERS, ADMIN)),
            log=self._folder / "nats.log",
        )
        self.process = RunningProcess(self.server.spec())

    @property
    def port(self) -> int:
        return self.server.port

    def url(self, user: str = ADMIN) -> str:
        """The URL of `gateway`, `orchestrator`, `pdf-worker`, `notifier`, `worker` or `admin`."""
        return self.server.url(user)

    def start(self) -> None:
        self.process.start()

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def wipe(self) -> None:
        """Throw the store away, while the server is down."""
        self.server.wipe()

    def restart(self, *, wiped: bool = False) -> None:
        """kill -9, optionally lose the whole store, and come back on the same port."""
        self.process.kill()
        if wiped:
            self.server.wipe()
        self.process.start()

    def close(self) -> None:
        self.process.kill()
        self._ports.release()
        shutil.rmtree(self._folder, ignore_errors=True)


def _temporary_folder(prefix: str) -> Path:
    """Not under pytest's own folder, which the unprivileged account of PostgreSQL may not enter."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o711)
    return folder
