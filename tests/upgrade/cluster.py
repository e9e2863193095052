"""One ledger, and replicas of services of two releases on it.

PostgreSQL and NATS are servers of the embedded stack; what an operator does around them (`visapi admin migrate`,
`key create`) is done by the commands of the release whose turn it is.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec

from faults.receivers import Receivers
from kit.servers import RunningProcess, run_async
from upgrade.background import Background
from upgrade.balancer import Balancer
from upgrade.releases import Release
from visapi.admin import databases
from visapi.stack import nats, postgres
from visapi.stack.data_directory import DataDirectory
from visapi.stack.ports import Reservation
from visapi.stack.services import SERVICES, Parts, service_spec
from visapi_common.adapters.migrate import BASELINE, Migration, Step, apply_migrations, packaged

PLACES = 4
"""Ports of gateways that the balancer knows."""
SCRATCH = [
    Migration(
        "9001_scratch_of_runs.sql",
        "alter table runs add column scratch text not null default ''",
    ),
    Migration(
        "9002_scratch_of_runs.index.sql", "create index concurrently scratch_of_runs on runs (scratch)"
    ),
    Migration("9003_scratch_of_tasks.sql", "alter table tasks add column scratch integer"),
    Migration("9004_scratch.sql", "create table scratch (id integer primary key, note text)"),
]
"""An expansion such as the next release may bring, where it brings none itself."""


_COMPLAINTS = ('"level":"error"', '"level":"warning"', '"status":503', '"status":500', "Traceback")


class Replica(msgspec.Struct):
    """A running process of a service; `place` of a gateway is where the balancer finds it."""

    service: str
    release: Release
    process: RunningProcess
    place: str = ""


class Cluster:
    """See the module's docstring. Only the main thread starts and stops replicas."""

    def __init__(self, background: Background) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="visapi-test-upgrade-"))
        self._folder.chmod(0o711)
        self.ports = Reservation()
        self._data = DataDirectory(self._folder / "data")
        self._data.create()
        self._background = background
        self.receivers = Receivers()
        self.replicas: list[Replica] = []
        self._number = 0
        secrets = self._data.secrets()
        self._postgres = postgres.prepare(
            self._data.root, port=self.ports.any(), passwords=secrets.postgres, log=self._data.log("postgres")
        )
        self._nats = nats.prepare(
            self._data.root, port=self.ports.any(), passwords=secrets.nats, log=self._data.log("nats")
        )
        self._stores = [RunningProcess(self._postgres.spec()), RunningProcess(self._nats.spec())]
        self._gateways = {f"place-{number}": self.ports.any() for number in range(1, PLACES + 1)}
        self.balancer = Balancer(self._data.root, self.ports.any(), self._gateways)
        self.api_key = ""
        self.timeline: list[str] = []
        """What was done, and when, for the reader of a failure."""

    @property
    def data(self) -> DataDirectory:
        return self._data

    @property
    def owner_url(self) -> str:
        return self._postgres.url(databases.OWNER)

    @property
    def superuser_url(self) -> str:
        return self._postgres.url(postgres.SUPERUSER)

    def start(self, release: Release) -> None:
        """The stores, the balancer, and what `release` makes of an empty database."""
        self._background.run(self.receivers.start())
        for store in self._stores:
            store.start()
        self.balancer.start()
        superuser = self._postgres.url(postgres.SUPERUSER, "postgres")
        roles = (databases.OWNER, *databases.SERVICE_ROLES)
        run_async(databases.make_roles(superuser, {role: self._postgres.passwords[role] for role in roles}))
        run_async(databases.create_database(superuser, "visapi"))
        self.migrate(release)
        key = self._data.root / "key"
        pepper = self._data.secrets().key_pepper
        release.command(
            *("admin", "key", "create", "upgrade", "--file", str(key)),
            visapi_owner_url=self.owner_url,
            visapi_key_pepper=pepper,
        )
        self.api_key = key.read_text(encoding="utf-8").strip()

    def close(self) -> None:
        for replica in list(self.replicas):
            self.stop(replica)
        self.balancer.stop()
        for store in reversed(self._stores):
            store.stop()
        self._background.run(self.receivers.stop())
        self.ports.release()
        shutil.rmtree((self._data.root / "postgres").resolve(), ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    # ---- what an operator does

    def note(self, text: str) -> None:
        self.timeline.append(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}")

    def migrate(self, release: Release) -> str:
        self.note(f"migrate of {release.name}")
        return release.command("admin", "migrate", visapi_owner_url=self.owner_url)

    def expand(self, release: Release) -> list[str]:
        """The migration of the new release, or an expansion like one, while the old release runs."""
        before = set(run_async(self._applied()))
        self.migrate(release)
        now = set(run_async(self._applied()))
        if now == before:
            later = [*packaged(), *SCRATCH]
            assert later[0].name == BASELINE
            self.note(f"applying {[each.name for each in SCRATCH]}")
            run_async(apply_migrations(self.owner_url, Step.EXPAND, migrations=later))
            self.note("applied")
            now = set(run_async(self._applied()))
        return sorted(now - before)

    async def _applied(self) -> list[str]:
        connection = await asyncpg.connect(self.owner_url)
        try:
            return [row["name"] for row in await connection.fetch("select name from visapi.migrations")]
        finally:
            await connection.close()

    def begin(self, service: str, release: Release, *, routed: bool = True) -> Replica:
        """A new replica that serves; a gateway gets requests when it is `routed`."""
        self._number += 1
        place = self._free_place() if service == "gateway" else ""
        spec = service_spec(service, self._parts(service, place))
        spec = msgspec.structs.replace(
            spec,
            argv=(str(release.python), *spec.argv[1:]),
            log=self._data.log(f"{service}-{self._number}-{release.name}"),
        )
        replica = Replica(service, release, RunningProcess(spec), place)
        self.note(f"starting {spec.log.stem}")
        replica.process.start()
        self.note(f"ready {spec.log.stem}")
        self.replicas.append(replica)
        if place and routed:
            self.balancer.open(place)
        return replica

    def stop(self, replica: Replica) -> None:
        """SIGTERM, once no new request goes there, and wait for its end."""
        if replica.place:
            self.balancer.close(replica.place)
        self.replicas.remove(replica)
        self.note(f"stopping {replica.service} of {replica.release.name} {replica.place}")
        replica.process.stop()
        self.note("stopped")

    def replace(self, replica: Replica, release: Release) -> None:
        """As a rolling update does it: the new replica serves before the old one stops."""
        self.begin(replica.service, release)
        self.stop(replica)

    def of(self, release: Release) -> list[Replica]:
        return [replica for replica in self.replicas if replica.release == release]

    def complaints(self) -> list[str]:
        """Lines of the services' logs that should not be there, without repetitions."""
        found: dict[str, None] = {}
        for log in sorted((self._data.root / "logs").glob("*-*-*.log")):
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
                if any(mark in line for mark in _COMPLAINTS):
                    found[f"{log.stem}: {line[:400]}"] = None
        return list(found)

    def _free_place(self) -> str:
        taken = {replica.place for replica in self.replicas}
        return next(place for place in self._gateways if place not in taken)

    def _parts(self, service: str, place: str) -> Parts:
        ports = {f"{name}-metrics": self.ports.any() for name in SERVICES if name == service}
        ports["gateway"] = self._gateways.get(place, 0)
        environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        settings = {
            "VISAPI_SMTP_URL": self.receivers.smtp_url,
            "VISAPI_EGRESS_ALLOW": "127.0.0.0/8",
            "VISAPI_PUBLIC_URL": self.balancer.url,
        }
        return Parts(
            data=self._data,
            secrets=self._data.secrets(),
            postgres=self._postgres,
            nats=self._nats,
            ports=ports,
            environ={**environ, **settings},
        )


@contextlib.contextmanager
def cluster(release: Release) -> Iterator[tuple[Cluster, Background]]:
    """A ledger that `release` made, without services yet."""
    with Background() as background:
        running = Cluster(background)
        try:
            running.start(release)
            yield running, background
        finally:
            running.close()
