"""A real PgBouncer in transaction mode before a PostgreSQL of tests.

It comes with the distribution: root, or who may use sudo without a password, gets it installed (Debian, Ubuntu).
Elsewhere tests that need it are skipped, and say so.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from kit.servers import RunningProcess
from visapi.stack.accounts import postgres_account
from visapi.stack.ports import LOOPBACK, Reservation
from visapi.stack.processes import ProcessSpec

_PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin"
_INSTALL_S = 300
_CONFIGURATION = """\
[databases]
* = host={host} port={backend}
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
"""


def program() -> Path:
    """PgBouncer's executable; skips the test where there is none and none can be installed."""
    found = shutil.which("pgbouncer", path=_PLACES)
    if found is None:
        problem = _install()
        found = shutil.which("pgbouncer", path=_PLACES)
        if found is None:
            pytest.skip(f"NOT TESTED behind a pooler: PgBouncer is not here ({problem}); install pgbouncer")
    return Path(found)


def _install() -> str:
    """What went wrong, in one line."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = shutil.which("apt-get")
    if apt is None:
        return "there is no apt-get"
    # Its service is not started: a container has no init, and the port may be taken.
    options = ["-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"]
    done = None
    for command in ([apt, "install", *options, "pgbouncer"], [apt, "update", "-qq"], [apt, "install", *options, "pgbouncer"]):  # fmt: skip
        done = subprocess.run(
            [*prefix, "env", "RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive", *command],
            check=False, capture_output=True, text=True, timeout=_INSTALL_S,
        )  # fmt: skip
        if done.returncode == 0 and command[1] == "install":
            return ""
    lines = (done.stdout + done.stderr).strip().splitlines() if done else []
    return lines[-1] if lines else "apt-get failed"


class PgBouncer:
    """Its users are the roles of a cluster; at most `size` servers for each, whoever asks."""

    def __init__(self, backend: int, passwords: Mapping[str, str], *, size: int = 2) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="visapi-test-pgbouncer-"))
        self._ports = Reservation()
        self.port = self._ports.any()
        users, configuration = self._folder / "users.txt", self._folder / "pgbouncer.ini"
        users.write_text("".join(f'"{name}" "{password}"\n' for name, password in passwords.items()))
        configuration.write_text(
            _CONFIGURATION.format(host=LOOPBACK, backend=backend, port=self.port, users=users, size=size)
        )
        account = postgres_account()
        if account is not None:
            for path in (self._folder, users, configuration):
                shutil.chown(path, account.uid, account.gid)
        self.process = RunningProcess(
            ProcessSpec(
                name="pgbouncer",
                argv=(str(program()), str(configuration)),
                env={"PATH": "/usr/bin:/bin"},
                cwd=self._folder,
                log=self._folder / "pgbouncer.log",
                ready=self._answers,
                ports={"pgbouncer": self.port},
                account=account,
            )
        )

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        writer.close()
        return True

    def through(self, url: str) -> str:
        """A URL of the cluster, by way of the pooler."""
        head, _, place = url.rpartition("@")
        return f"{head}@{LOOPBACK}:{self.port}/{place.partition('/')[2]}"

    def start(self) -> None:
        self.process.start()

    def close(self) -> None:
        self.process.kill()
        self._ports.release()
        shutil.rmtree(self._folder, ignore_errors=True)
