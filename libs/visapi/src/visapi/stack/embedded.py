"""The embedded stack from start to stop: stores first, then migrations, key, services.

Reads top to bottom as the order of events. It prints nothing: notices go to the caller.
"""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from visapi.admin.databases import OWNER
from visapi.admin.private_files import write_private
from visapi.stack import nats, postgres
from visapi.stack.accounts import AccountMissingError
from visapi.stack.data_directory import DataDirectory, ReadyFile, StackState
from visapi.stack.environment import check
from visapi.stack.first_start import ensure_first_key, prepare_schema
from visapi.stack.members import end_leftovers
from visapi.stack.ports import LOOPBACK, Reservation, is_free
from visapi.stack.processes import ProcessSpec
from visapi.stack.services import SERVICES, USUAL_PORTS, Parts, metrics_urls, service_spec
from visapi.stack.supervisor import Notice, ProcessView, StartFailedError, Supervisor
from visapi_common.core.errors import Fault
from visapi_common.core.keyrings import Keyring

_STOP_ORDER = (("gateway",), ("pdf-worker", "notifier"), ("orchestrator",), ("nats",), ("postgres",))


class PortTakenError(Exception):
    """The port that was asked for is in use; the message names it."""


class StackOptions(msgspec.Struct, frozen=True, kw_only=True):
    data_dir: Path
    port: int | None = None
    """The gateway's port; `None` takes the last one, at first 8080, when free, else another."""
    ready_file: Path | None = None
    environ: dict[str, str]
    standins: bool = False
    """Whether this is a demo's stack, with stand-ins for the world outside."""


class EmbeddedStack:
    """Holds the data directory from `start` to `stop`."""

    def __init__(self, options: StackOptions, notify: Callable[[Notice], None]) -> None:
        self._options = options
        self._notify = notify
        self.data = DataDirectory(options.data_dir)
        self._supervisor = Supervisor(notify, self._keep_state, stack=self.data.stack_name)
        self._reservation = Reservation()
        self._ports: dict[str, int] = {}
        self._extras: list[str] = []
        self._nats_url = ""
        self.ready: ReadyFile | None = None
        self.first_start = False
        """Whether the first key was made now."""

    @property
    def gateway_url(self) -> str:
        return f"http://{LOOPBACK}:{self._ports['gateway']}"

    def view(self) -> list[ProcessView]:
        return self._supervisor.view()

    def reserve(self) -> None:
        """Take the data directory. Raises `DataInUseError`, `PortTakenError`, `UnknownSettingError`."""
        check(self._options.environ)
        self.data.create()
        self.data.lock()
        left = end_leftovers(self.data.stack_name)
        if left:
            self._notify(Notice("stack", f"ended {left} processes that an earlier `visapi up` left behind"))
        wanted = self._options.port
        if wanted is not None and not is_free(wanted):
            raise PortTakenError(
                f"port {wanted} is in use by another program; choose another --port, or leave it out"
            )

    async def start(self, extras: Sequence[ProcessSpec] = ()) -> ReadyFile:
        """Start everything and return when all of it answers. Raises `StartFailedError`."""
        self._ports = self._choose_ports()
        secrets = self.data.secrets()
        database, bus = self._stores(secrets.postgres, secrets.nats)
        self._nats_url = bus.url("worker")
        await self._supervisor.start([database.spec(), bus.spec()])
        key = await self._prepare(database, Keyring.read(secrets.key_pepper))
        parts = Parts(
            data=self.data,
            secrets=secrets,
            postgres=database,
            nats=bus,
            ports=self._ports,
            environ=self._options.environ,
        )
        self._extras = [extra.name for extra in extras]
        await self._supervisor.start([*extras, *(service_spec(name, parts) for name in SERVICES)])
        self.ready = ReadyFile(self.gateway_url, key, self._nats_url, metrics_urls(self._ports))
        self._write_ready_file(self.ready)
        return self.ready

    def _choose_ports(self) -> dict[str, int]:
        """The ports of the last start where they are free; the usual ones at the first."""
        last = {name: port for name, port in self.data.ports().items() if name in USUAL_PORTS}
        wanted = {**USUAL_PORTS, **last}
        if self._options.port is not None:
            wanted["gateway"] = self._options.port
        chosen = self._reservation.choose(wanted)
        before, now = last.get("gateway"), chosen["gateway"]
        if before is not None and before != now:
            text = (
                f"the gateway's port CHANGED from {before} to {now}: mailed links lead nowhere now, "
                f"and clients need the new address; to go back, free {before} and start again"
            )
            self._notify(Notice("stack", text, trouble=True))
        self.data.keep_ports(chosen)
        return chosen

    def _stores(
        self, postgres_passwords: Mapping[str, str], nats_passwords: Mapping[str, str]
    ) -> tuple[postgres.Postgres, nats.Nats]:
        try:
            database = postgres.prepare(
                self.data.root,
                port=self._ports["postgres"],
                passwords=postgres_passwords,
                log=self.data.log("postgres"),
            )
            bus = nats.prepare(
                self.data.root,
                port=self._ports["nats"],
                passwords=nats_passwords,
                log=self.data.log("nats"),
            )
        except (OSError, postgres.PostgresFailedError, AccountMissingError) as error:
            raise StartFailedError(str(error)) from error
        return database, bus

    async def _prepare(self, database: postgres.Postgres, peppers: Keyring) -> str:
        """Roles, schema, first key."""
        try:
            applied = await prepare_schema(database)
            if applied:
                self._notify(Notice("migrations", f"applied {', '.join(applied)}"))
            before = self.data.api_key()
            key = await ensure_first_key(self.data, database.url(OWNER), peppers)
            self.first_start = key != before
            return key
        except Fault as error:
            raise StartFailedError(f"the database could not be prepared: {error}") from error

    async def stop(self) -> None:
        """Stop everything in order; safe to call at any point, also twice."""
        for names in (*_STOP_ORDER, tuple(self._extras)):
            await self._supervisor.stop(names)
        self._remove_ready_file()
        with contextlib.suppress(FileNotFoundError):
            (self.data.root / "state.json").unlink()
        self._reservation.release()
        self.data.unlock()

    def reap(self) -> None:
        """Collect ended grandchildren, see `Supervisor.reap`."""
        self._supervisor.reap()

    def kill(self) -> None:
        """End everything at once."""
        self._supervisor.kill_all()

    def _keep_state(self) -> None:
        if "gateway" in self._ports:
            state = StackState(
                supervisor=os.getpid(),
                gateway=self.gateway_url,
                nats=self._nats_url,
                standins=self._options.standins,
                processes=self._supervisor.view(),
            )
            self.data.keep_state(state)

    def _write_ready_file(self, ready: ReadyFile) -> None:
        path = self._options.ready_file
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(path.absolute(), msgspec.json.encode(ready))

    def _remove_ready_file(self) -> None:
        if self._options.ready_file is not None and self.ready is not None:
            self._options.ready_file.unlink(missing_ok=True)
