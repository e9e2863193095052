"""The secrets of a cluster, each made once into a file of its own."""

import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from visapi.admin.nats_rights import SERVICES, worker_user
from visapi.admin.nats_users import password_variable
from visapi.admin.private_files import write_private
from visapi_common.runtime.settings import FILE

_PEPPERS = ("key-pepper", "link-secret", "effect-secret", "handle-secret", "sealing-key")
_ROLES = ("owner", "gateway", "orchestrator", "notifier")


def secret_names(tenants: Iterable[str] = ()) -> dict[str, Callable[[], str]]:
    """How each secret is made, by the name of its file."""
    makers: dict[str, Callable[[], str]] = dict.fromkeys(_PEPPERS, _hex)
    makers["metrics-token"] = make_password
    makers |= {f"postgres-{role}-password": make_password for role in _ROLES}
    makers |= {f"nats-{user}-password": make_password for user in (*SERVICES, *map(worker_user, tenants))}
    return makers


def make_secrets(folder: Path, tenants: Iterable[str] = ()) -> list[str]:
    """Write the missing secrets to `folder`, readable by its owner only; return the names of the new ones.
    Existing files stay unchanged.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []
    for name, make in secret_names(tenants).items():
        path = folder / name
        if not path.exists():
            write_private(path, make().encode() + b"\n")
            made.append(name)
    return made


def variables(folder: Path, tenants: Iterable[str] = ()) -> dict[str, Path]:
    """The variables of `visapi admin` that name these files."""
    files = {f"VISAPI_{name.replace('-', '_').upper()}": name for name in _PEPPERS}
    files |= {f"VISAPI_{role.upper()}_PASSWORD": f"postgres-{role}-password" for role in _ROLES}
    users = (*SERVICES, *map(worker_user, tenants))
    files |= {password_variable(user): f"nats-{user}-password" for user in users}
    return {f"{name}{FILE}": (folder / file).absolute() for name, file in files.items()}


def _hex() -> str:
    return secrets.token_hex(32)


def make_password() -> str:
    """It begins with a letter: NATS reads a value of its environment that begins with a digit as a number."""
    return f"v{secrets.token_hex(24)}"
