"""Finds Chromium, its account and its flags."""

import os
import pwd
import re
import shlex
import shutil
import sys
from pathlib import Path

import msgspec

from visapi_common.core.errors import PermanentFault
from visapi_pdf_worker.browser import launcher

_NAMES = ("chromium-headless-shell", "headless_shell", "chrome-headless-shell")
_FULL_NAMES = ("chromium", "chromium-browser", "google-chrome")
_USERS = ("visapi", "nobody")
_FIRST_LINE_MAX = 100
"""Linux took 127 bytes of a program's first line for long."""
UNWANTED = ("--disable-ipc-flooding-protection", "--disable-popup-blocking")
"""Flags of Playwright under which one document may flood the process of the browser that all share."""


class Chromium(msgspec.Struct, frozen=True):
    """A way to start Chromium: the program given to Playwright, and that program's environment."""

    program: str
    environment: dict[str, str]
    sandbox: bool


LOOPBACK_TOO = "<-loopback>"
"""Of a list of what bypasses the proxy: nothing does, not even loopback and link-local addresses."""


def flags(proxy_port: int) -> list[str]:
    """All traffic goes through the egress proxy, loopback and link-local included; nothing resolves
    names itself; nothing speaks UDP.
    """
    return [
        f"--proxy-server=http://127.0.0.1:{proxy_port}",
        f"--proxy-bypass-list={LOOPBACK_TOO}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--disable-quic",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--dns-prefetch-disable",
        "--no-pings",
        "--block-new-web-contents",
        "--font-render-hinting=none",
        "--disk-cache-size=33554432",
    ]


def prepare(folder: Path, *, setting: str, playwrights: str, user: str, sandbox: bool) -> Chromium:
    """Write the launcher into `folder` and say how to start it.

    `setting` is a path or empty, `playwrights` the path that Playwright would use, `user` the
    account to become or empty (see `unprivileged`). Raises `PermanentFault`.
    """
    binary = find(setting, playwrights)
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "chromium-launcher"
    program.write_text(_launcher_text(), encoding="utf-8")
    program.chmod(0o700)
    return Chromium(str(program), {launcher.BINARY: binary, launcher.USER: user}, sandbox)


def _launcher_text() -> str:
    """A program that the kernel starts without a shell, which images lack. Where Python's path is too long
    for a first line, or has a space, a shell starts it.
    """
    if len(sys.executable) <= _FIRST_LINE_MAX and not re.search(r"\s", sys.executable):
        return f"#!{sys.executable} -IS\n{Path(launcher.__file__).read_text(encoding='utf-8')}"
    command = shlex.join([sys.executable, "-I", "-S", launcher.__file__])
    return f'#!/bin/sh\nexec {command} "$@"\n'


def find(setting: str, playwrights: str) -> str:
    """The browser's executable. The headless shell is preferred: it needs a third of the CPU."""
    if setting:
        if not os.access(setting, os.X_OK):
            raise PermanentFault(f"VISAPI_CHROMIUM: {setting} is not an executable file")
        return setting
    for name in _NAMES:
        found = shutil.which(name)
        if found:
            return _unwrapped(found)
    for own in _playwrights_own(playwrights):
        if os.access(own, os.X_OK):
            return own
    for name in _FULL_NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise PermanentFault(
        "no Chromium was found; run 'make setup', install the package chromium-headless-shell, "
        "or set VISAPI_CHROMIUM to the executable"
    )


def _playwrights_own(executable: str) -> list[str]:
    """Playwright names the full browser; its headless shell lies beside that, in a folder of its own."""
    if not executable:
        return []
    registry = Path(executable).parents[2]
    patterns = ("chromium_headless_shell-*/*/headless_shell", "chromium_headless_shell-*/*/*headless-shell")
    shells = [str(path) for pattern in patterns for path in sorted(registry.glob(pattern), reverse=True)]
    return [*shells, executable]


def _unwrapped(found: str) -> str:
    """Debian's wrapper is a shell process that would outlive a killed browser."""
    inner = Path(found).resolve().parent.parent / "lib" / "chromium" / Path(found).name
    return str(inner) if os.access(inner, os.X_OK) else found


def unprivileged(user: str) -> str:
    """The account that replaces root: `user`, or the first of two that exists; empty when
    this process is not root. Raises `PermanentFault`.
    """
    if os.geteuid() != 0:
        return ""
    for name in (user,) if user else _USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise PermanentFault(
        f"Chromium must not run as root and there is no user {user or ' or '.join(_USERS)}; "
        "create one, or set VISAPI_CHROMIUM_USER"
    )
