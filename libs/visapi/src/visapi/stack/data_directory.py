"""The data directory of one stack: who uses it, its secrets, its files.

Secrets are made once and kept with mode 0600; the directory itself is passable (0711) where we
made it, so that PostgreSQL's account can reach its own folder and nothing else.
"""

import fcntl
import hashlib
import os
import secrets
from pathlib import Path
from typing import TypeVar

import msgspec

from visapi.admin.keys import KeptKey, written_recently
from visapi.admin.private_files import write_private
from visapi.stack import nats, postgres
from visapi.stack.child import ProcessView

_GATEWAY_URL_DEFAULT = "http://127.0.0.1:8080"

T = TypeVar("T")


class DataInUseError(Exception):
    """Another supervisor holds the directory; the message names it and how to stop it."""


class DataDamagedError(Exception):
    """A file of the directory cannot be read; the message names it."""


class StackSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """Everything secret that a stack needs; hex or URL-safe text."""

    key_pepper: str
    effect_secret: str
    link_secret: str
    handle_secret: str = ""
    sealing_key: str = ""
    metrics_token: str = ""
    postgres: dict[str, str]
    nats: dict[str, str]


class ReadyFile(msgspec.Struct, frozen=True):
    """What `--ready-file` holds. `nats` is the URL of own workers, `metrics` a base URL by process."""

    gateway: str
    api_key: str
    nats: str
    metrics: dict[str, str]


class StackState(msgspec.Struct, frozen=True, kw_only=True):
    """What `visapi status` reads."""

    supervisor: int
    gateway: str = _GATEWAY_URL_DEFAULT
    nats: str = ""
    """The URL for own workers, with its password."""
    standins: bool = False
    processes: list[ProcessView] = []


class DataDirectory:
    """Paths and files below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._lock: int | None = None

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def mail(self) -> Path:
        return self.root / "mail"

    @property
    def stack_name(self) -> str:
        """Names the stack of this directory among the processes of the machine."""
        return hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:32]

    def log(self, name: str) -> Path:
        return self.root / "logs" / f"{name}.log"

    def create(self) -> None:
        """Make the folders; permissions of folders that exist stay as they are."""
        if not self.root.exists():
            self.root.mkdir(parents=True)
            self.root.chmod(0o711)
        for name in ("logs", "artifacts"):
            (self.root / name).mkdir(mode=0o700, exist_ok=True)

    def lock(self) -> None:
        """Hold the directory until this process ends. Raises `DataInUseError`."""
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise DataInUseError(
                f"{self.root} is in use by `visapi up` (process {self.holder() or 'unknown'}); "
                f"stop it with `visapi down --data-dir {self.root}` or choose another --data-dir"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._lock = descriptor

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def holder(self) -> int | None:
        """The process that holds the directory now, if one does."""
        path = self.root / "lock"
        if not path.exists():
            return None
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read(20).strip()
                return int(text) if text.isdigit() else None
        return None

    def secrets(self) -> StackSecrets:
        """The secrets, made at the first call. Raises `DataDamagedError`."""
        path = self.root / "secrets.json"
        if not path.exists():
            write_private(path, msgspec.json.encode(_new_secrets()))
        kept = _read(path, StackSecrets)
        fresh = _new_secrets()
        # Of releases that had no secrets of tenants, or no guard of their metrics.
        added = {
            name: getattr(fresh, name)
            for name in ("handle_secret", "sealing_key", "metrics_token")
            if not getattr(kept, name)
        }
        if added:
            kept = msgspec.structs.replace(kept, **added)
            write_private(path, msgspec.json.encode(kept))
        token = self.root / "metrics-token"
        if not token.exists() or token.read_text("ascii") != kept.metrics_token:
            write_private(token, kept.metrics_token.encode("ascii"))
        return kept

    def ports(self) -> dict[str, int]:
        """The ports that the last start chose; empty before the first."""
        path = self.root / "ports.json"
        return _read(path, dict[str, int]) if path.exists() else {}

    def keep_ports(self, ports: dict[str, int]) -> None:
        write_private(self.root / "ports.json", msgspec.json.encode(ports))

    def api_key(self) -> str | None:
        """The first API key, once it was made."""
        path = self.root / "api-key"
        return path.read_text(encoding="ascii").strip() if path.exists() else None

    def kept_api_key(self) -> KeptKey | None:
        key = self.api_key()
        return KeptKey(key, written_recently(self.root / "api-key")) if key else None

    def keep_api_key(self, key: str) -> None:
        write_private(self.root / "api-key", key.encode("ascii") + b"\n")

    def state(self) -> StackState | None:
        """The table of the running stack; `None` when nothing runs here."""
        path = self.root / "state.json"
        if self.holder() is None or not path.exists():
            return None
        return _read(path, StackState)

    def keep_state(self, state: StackState) -> None:
        write_private(self.root / "state.json", msgspec.json.encode(state))


def _new_secrets() -> StackSecrets:
    return StackSecrets(
        key_pepper=secrets.token_hex(32),
        effect_secret=secrets.token_hex(32),
        link_secret=secrets.token_hex(32),
        handle_secret=secrets.token_hex(32),
        sealing_key=secrets.token_hex(32),
        metrics_token=secrets.token_urlsafe(32),
        postgres=postgres.new_passwords(),
        nats=nats.new_passwords(),
    )


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.MsgspecError as error:
        raise DataDamagedError(
            f"{path} cannot be read: {error}; restore it, or remove {path.parent} to begin anew"
        ) from None
