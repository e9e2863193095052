"""Who acts through `visapi admin`, as the audit of a tenant names them."""

import getpass
import os
import re
import socket

PREFIX = "operator:"
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,150}")


def check_operator(name: str) -> str:
    """The name itself. Raises `ValueError`."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"VISAPI_OPERATOR is wrong: {name[:50]!r}; use 1 to 150 printable characters")
    return name


def actor(name: str | None) -> str:
    """The actor of audit entries: the name that was given, else account and machine. Raises `ValueError`."""
    return PREFIX + (check_operator(name) if name else f"{_account()}@{socket.gethostname()}"[:150])


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container the account has a number only.
        return f"uid-{os.getuid()}"
