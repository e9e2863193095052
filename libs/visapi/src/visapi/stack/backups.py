"""Backups of the embedded PostgreSQL by PostgreSQL's own programs, and the way back to any moment since.

A folder of backups holds `base/<time>/`, whole copies, and `wal/`, the write-ahead log as it is written: each
commit is there within a second. Any state between the end of the oldest copy and now can be made of both.
"""

import contextlib
import hashlib
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from visapi.stack import postgres, postgres_binaries
from visapi.stack.accounts import Account, may_enter, postgres_account
from visapi.stack.ports import LOOPBACK
from visapi.stack.postgres import PostgresFailedError, run_program

SLOT = "visapi_backup"
"""Keeps the log that the receiver does not have yet, also while the receiver is away."""

_COPY_S = 3600.0
_TIME = "%Y-%m-%dT%H-%M-%SZ"
_FIRST_LOG = re.compile(r"^START WAL LOCATION: .*\(file ([0-9A-F]{24})\)", re.MULTILINE)


class Target(msgspec.Struct, frozen=True):
    """Where a restore stops; neither: at the end of the log."""

    time: datetime | None = None
    name: str | None = None
    """A restore point, made with `select pg_create_restore_point('NAME')`."""

    def settings(self) -> dict[str, str]:
        if self.time is not None:
            return {"recovery_target_time": self.time.astimezone(UTC).isoformat(sep=" ")}
        return {"recovery_target_name": self.name} if self.name else {}


class Source(msgspec.Struct, frozen=True):
    """The running server, as a role that may replicate."""

    port: int
    password: str

    @property
    def arguments(self) -> list[str]:
        return [
            f"--host={LOOPBACK}",
            f"--port={self.port}",
            f"--username={postgres.SUPERUSER}",
            "--no-password",
        ]

    @property
    def environ(self) -> dict[str, str]:
        return {"PGPASSWORD": self.password, "PGAPPNAME": "visapi backup"}


class BackupFolder:
    """See the module's docstring."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.base = self.root / "base"
        self.wal = self.root / "wal"
        self._account = postgres_account()
        self._bin = postgres_binaries.shared_copy() if self._account else postgres_binaries.packaged()

    def make(self) -> None:
        """Make the folders. Raises `PostgresFailedError` where PostgreSQL's account may not go."""
        if not self.root.exists():
            self.root.mkdir(parents=True)
            self.root.chmod(0o711)
        if self._account and not may_enter(self._account, self.root):
            raise PostgresFailedError(
                f"the account {self._account.name} may not enter {self.root}; choose a folder outside of "
                "homes"
            )
        for folder in (self.base, self.wal):
            folder.mkdir(mode=0o700, exist_ok=True)
            _give(folder, self._account)

    # ---- while the server runs

    def log_command(self, source: Source) -> list[str]:
        """The program that receives the log until it is stopped; the slot is made here."""
        program = [str(self._bin / "pg_receivewal"), *source.arguments, f"--slot={SLOT}"]
        run_program([*program, "--create-slot", "--if-not-exists"], self._account, environ=source.environ)
        return [*program, f"--directory={self.wal}", "--synchronous", "--status-interval=1"]

    @property
    def account(self) -> Account | None:
        """The account of the receiver."""
        return self._account

    def copy(self, source: Source, *, keep: int) -> Path:
        """Make a whole copy, verify it, and forget all but the `keep` newest, and the log before them."""
        place = self.base / f"{datetime.now(UTC).strftime(_TIME)}.part"
        shutil.rmtree(place, ignore_errors=True)
        copying = [str(self._bin / "pg_basebackup"), *source.arguments, f"--pgdata={place}"]
        options = ["--checkpoint=fast", "--wal-method=stream", "--manifest-checksums=SHA256"]
        run_program([*copying, *options], self._account, environ=source.environ, timeout_s=_COPY_S)
        verify(place)
        # Named by its end: any moment after this can be restored from it.
        whole = self.base / datetime.now(UTC).strftime(_TIME)
        place.rename(whole)
        self._forget(keep)
        return whole

    def _forget(self, keep: int) -> None:
        copies = self.copies()
        for old in copies[:-keep]:
            shutil.rmtree(old)
        found = _FIRST_LOG.search((copies[-keep:][0] / "backup_label").read_text(encoding="utf-8"))
        if found:
            run_program([str(self._bin / "pg_archivecleanup"), str(self.wal), found[1]], self._account)

    # ---- while it is down

    def copies(self) -> list[Path]:
        """The whole copies, the oldest first."""
        if not self.base.exists():
            return []
        return sorted(path for path in self.base.iterdir() if not path.name.endswith(".part"))

    def restore(self, data: Path, target: Target) -> Path:
        """Put the newest copy that ended before the target where the stack's cluster is, with the orders of
        how far to replay the log at the next start. The previous cluster stays beside it. Returns the copy.

        Raises `PostgresFailedError` when there is none.
        """
        copy = self._fitting(target)
        place = postgres.place_of(data)
        cluster = place / "cluster"
        beside = place / "cluster.restored"
        shutil.rmtree(beside, ignore_errors=True)
        # The folder stays private while it is copied, because `copytree` sets modes last.
        beside.mkdir(mode=0o700)
        shutil.copytree(copy, beside, symlinks=True, dirs_exist_ok=True)
        orders = {
            "restore_command": f'cp "{self.wal}/%f" "%p" || cp "{self.wal}/%f.partial" "%p"',
            "recovery_target_action": "promote",
            # The server accepts no connection before the replay has ended.
            "hot_standby": "off",
            **target.settings(),
        }
        with (beside / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = {_quoted(value)}\n" for name, value in orders.items())
        (beside / "recovery.signal").touch(mode=0o600)
        _give(beside, self._account)
        if cluster.exists():
            cluster.rename(place / f"cluster.before-{datetime.now(UTC).strftime(_TIME)}")
        beside.rename(cluster)
        return copy

    def _fitting(self, target: Target) -> Path:
        copies = self.copies()
        if target.time is not None:
            latest = target.time.astimezone(UTC).strftime(_TIME)
            copies = [copy for copy in copies if copy.name < latest]  # names are cut to seconds
        if not copies:
            raise PostgresFailedError(f"{self.base} holds no copy that ended before the moment to go back to")
        return copies[-1]


class _File(msgspec.Struct, rename="pascal", frozen=True):
    path: str = ""
    encoded_path: str = msgspec.field(default="", name="Encoded-Path")
    size: int = 0
    checksum: str = ""


class _Manifest(msgspec.Struct, rename="pascal", frozen=True):
    files: list[_File]


def verify(copy: Path) -> None:
    """Compare each file of a copy with the server's manifest. Raises `PostgresFailedError`.

    `pg_verifybackup` would do the same, but the packaged one crashes.
    """
    try:
        manifest = msgspec.json.decode((copy / "backup_manifest").read_bytes(), type=_Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise PostgresFailedError(f"the copy {copy} has no manifest that can be read: {error}") from error
    for file in manifest.files:
        path = copy / (file.path or bytes.fromhex(file.encoded_path).decode())
        with contextlib.suppress(FileNotFoundError), path.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() == file.checksum:
                continue
        raise PostgresFailedError(f"the copy is damaged: {path} is missing, or not as the server sent it")


def forget_orders(cluster: Path) -> None:
    """Take the orders of a restore away once they are carried out."""
    path = cluster / "postgresql.auto.conf"
    names = ("restore_command", "recovery_target", "hot_standby")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(names)), encoding="utf-8")


def _give(path: Path, account: Account | None) -> None:
    """Let everything below belong to PostgreSQL's account."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, account.uid, account.gid, follow_symlinks=False)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
