"""Runs Chromium as an unprivileged user: hands over the profile, drops all privileges, executes the browser.

A separate program that is executed in place of the browser; uses only the standard library. Chromium's
sandbox does not run under root. The process is killed when its parent ends.
"""

import contextlib
import ctypes
import os
import pwd
import resource
import signal
import sys
from pathlib import Path

BINARY = "LAUNCH_BINARY"
USER = "LAUNCH_USER"
NICE = "LAUNCH_NICE"
MARK = "STACK_MEMBER"
"""By which the embedded stack knows its processes."""

_PROFILE = "--user-data-dir="
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def main(arguments: list[str]) -> None:
    """Replace this process by the browser named in the environment."""
    _lower_session(int(os.environ.get(NICE, "0")))
    binary, user = os.environ[BINARY], os.environ.get(USER, "")
    profile = next((Path(text[len(_PROFILE) :]) for text in arguments if text.startswith(_PROFILE)), None)
    if user:
        account = pwd.getpwnam(user)
        if profile is not None:
            _hand_over(profile, account.pw_uid, account.pw_gid)
        os.setgroups([])
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    home = str(profile) if profile is not None else "/nonexistent"
    environment = {"HOME": home, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
    if profile is not None:
        environment["TMPDIR"] = str(profile)
    if MARK in os.environ:
        environment[MARK] = os.environ[MARK]
    os.chdir("/")
    os.execve(binary, [binary, *arguments], environment)  # noqa: S606 (there is no shell on purpose)


def _lower_session(nice: int) -> None:
    """Give the session the priority of the process: some kernels share the CPU among sessions first."""
    if nice > 0 and os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(nice), "ascii")


def _hand_over(profile: Path, uid: int, gid: int) -> None:
    for path in (profile, *profile.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)


if __name__ == "__main__":
    main(sys.argv[1:])
