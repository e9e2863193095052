"""The unprivileged account that PostgreSQL runs under when the stack is started by root.

PostgreSQL refuses to run as root, and wants an account that `getpwuid` knows. The account is one
of our own, so that Chromium, which runs unprivileged too, cannot read the database's files.
"""

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import msgspec

_NAME = "visapi-postgres"
_OTHERS = ("postgres", "nobody")
"""Used when the machine lets nobody add accounts (a read-only `/etc`, say)."""


class AccountMissingError(Exception):
    """The machine has no account to run PostgreSQL under; the message says how to add one."""


class Account(msgspec.Struct, frozen=True):
    name: str
    uid: int
    gid: int


def running_as_root() -> bool:
    return os.geteuid() == 0


def postgres_account() -> Account | None:
    """The account to run PostgreSQL under, made when missing; `None` when we are not root."""
    if not running_as_root():
        return None
    own = _find(_NAME) or _add(_NAME)
    if own:
        return own
    for name in _OTHERS:
        found = _find(name)
        if found and found.uid != 0:
            return found
    raise AccountMissingError(
        f"PostgreSQL does not run as root and there is no account for it; add one: useradd --system {_NAME}"
    )


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid)


def _add(name: str) -> Account | None:
    tool = shutil.which("useradd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if tool is None:
        return None
    options = ("--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")
    subprocess.run([tool, *options, name], check=False, capture_output=True, timeout=30)
    return _find(name)


def may_enter(account: Account, folder: Path) -> bool:
    """Whether the account may pass through every folder down to `folder`, by mode bits alone."""
    resolved = folder.resolve()
    return all(_passable(account, part.stat()) for part in (resolved, *resolved.parents))


def _passable(account: Account, status: os.stat_result) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
