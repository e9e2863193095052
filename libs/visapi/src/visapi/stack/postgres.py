"""One PostgreSQL cluster of our own: its files, its command line, its passwords.

TCP on loopback only, scram passwords, `fsync` and `synchronous_commit` on. Under root the cluster
belongs to an unprivileged account and lies where that account may go, without touching the
permissions of any folder that is not ours.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from visapi.admin.databases import OWNER, SERVICE_ROLES, accepts
from visapi.stack import postgres_binaries
from visapi.stack.accounts import Account, may_enter, postgres_account
from visapi.stack.ports import LOOPBACK
from visapi.stack.probes import postgres_answers
from visapi.stack.processes import ProcessSpec

SUPERUSER = "postgres"
ROLES = (SUPERUSER, OWNER, *SERVICE_ROLES)

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "48MB",
    "max_connections": "60",
    # A list of runs locks every partition it may have to read, with its indexes.
    "max_locks_per_transaction": "256",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "wal_buffers": "4MB",
    "min_wal_size": "128MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "10min",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "io_method": "sync",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
}
"""Sized for one machine: memory stays near 50 MB with 20 connections. `io_method = sync` saves three
worker processes that only matter on large scans."""


class PostgresFailedError(Exception):
    """PostgreSQL could not be prepared; the message carries its own words."""


class Postgres(msgspec.Struct, frozen=True, kw_only=True):
    """A prepared cluster, with the passwords of its roles. Made by `prepare`."""

    bin: Path
    cluster: Path
    log: Path
    port: int
    passwords: dict[str, str]
    account: Account | None
    overrides: dict[str, str]

    def url(self, role: str, database: str = "visapi") -> str:
        return f"postgresql://{role}:{self.passwords[role]}@{LOOPBACK}:{self.port}/{database}"

    def spec(self) -> ProcessSpec:
        settings = {**_SETTINGS, **self.overrides, "port": str(self.port)}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return ProcessSpec(
            name="postgres",
            argv=(str(self.bin / "postgres"), "-D", str(self.cluster), *flags),
            env=environment(),
            cwd=Path("/"),
            log=self.log,
            ready=self.ready,
            probe=postgres_answers(self.port, self.ready),
            store=True,
            ports={"postgres": self.port},
            account=self.account,
            stop_signal=signal.SIGINT,
            stop_s=20.0,
        )

    async def ready(self) -> bool:
        return await accepts(self.url(SUPERUSER, "postgres"))


def new_passwords() -> dict[str, str]:
    """One password for each role; URL-safe."""
    return {role: secrets.token_urlsafe(24) for role in ROLES}


def prepare(
    folder: Path,
    *,
    port: int,
    passwords: Mapping[str, str],
    log: Path,
    overrides: Mapping[str, str] | None = None,
) -> Postgres:
    """Find the programs and make the cluster under `folder` when it is not there yet.

    Blocks for about a second the first time. Raises `PostgresFailedError`, `AccountMissingError`.
    """
    account = postgres_account()
    binaries = postgres_binaries.shared_copy() if account else postgres_binaries.packaged()
    place = _place(folder / "postgres", account)
    cluster = place / "cluster"
    if not (cluster / "PG_VERSION").exists():
        _initialise(binaries, cluster, passwords[SUPERUSER], account)
    return Postgres(
        bin=binaries,
        cluster=cluster,
        log=log,
        port=port,
        passwords=dict(passwords),
        account=account,
        overrides=dict(overrides or {}),
    )


def _place(wanted: Path, account: Account | None) -> Path:
    """The folder that holds the cluster: `wanted`, or a link there to a place the account may enter."""
    if wanted.exists():
        return wanted.resolve()
    if wanted.is_symlink():
        wanted.unlink()
    if account is None or may_enter(account, wanted.parent):
        wanted.mkdir(mode=0o711)
        return wanted
    target = postgres_binaries.SHARED_ROOT / f"cluster-{secrets.token_hex(8)}"
    target.mkdir(mode=0o711, parents=True)
    wanted.symlink_to(target, target_is_directory=True)
    return target


def place_of(folder: Path) -> Path:
    """The folder that holds the cluster of a stack, which may be a link's target."""
    return _place(folder / "postgres", postgres_account())


def _initialise(binaries: Path, cluster: Path, password: str, account: Account | None) -> None:
    """Run initdb beside and rename, so that an interrupted one leaves nothing half made."""
    beside = cluster.with_name("cluster.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700)
    if account:
        os.chown(beside, account.uid, account.gid)
    with tempfile.NamedTemporaryFile("w", dir=cluster.parent, prefix=".password-") as file:
        file.write(password)
        file.flush()
        if account:
            os.chown(file.name, account.uid, account.gid)
        run_program(_initdb(binaries, beside, file.name), account)
    beside.rename(cluster)


def _initdb(binaries: Path, cluster: Path, password_file: str) -> list[str]:
    return [
        str(binaries / "initdb"),
        f"--pgdata={cluster}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
    ]


def run_program(
    command: Sequence[str],
    account: Account | None,
    *,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = 120,
) -> str:
    """The output of one of PostgreSQL's programs, run as `account`. Raises `PostgresFailedError`."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd="/",
            env={**environment(), **(environ or {})},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.TimeoutExpired as error:
        raise PostgresFailedError(f"{name} did not end in {timeout_s:.0f} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise PostgresFailedError(f"{name} failed ({done.returncode}): {said}")
    return done.stdout


def environment() -> dict[str, str]:
    """The environment of PostgreSQL's programs."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
