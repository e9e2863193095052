"""Lay out another commit of VisAPI in `.upgrade/<commit>`, with an environment of its own; print the folder.

    python tools/previous_release.py [COMMIT]

Without a commit: the newest release tag (`v*`) before HEAD, or, before the first one, `FIRST`.
`make upgrade-test` runs what is laid out beside this checkout. A second run takes what is there.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / ".upgrade"
FIRST = "d01152daf3e0e6dd55fd313b99a76930968303cc"
"""The last commit that did not know `VISAPI_WRITES`."""

MIGRATIONS = "libs/common/src/visapi_common/sql/migrations"
BASELINE = "0001_baseline.sql"
_OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")


class PreviousError(Exception):
    """The commit cannot be laid out; the message says how to mend it."""


def main() -> int:
    given = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        commit = commit_of(given or newest_tag() or FIRST)
        check_baseline(commit)
        check_migrations(commit)
        check_balancer()
        print(lay_out(commit))
    except PreviousError as error:
        sys.stderr.write(f"upgrade-test: {error}\n")
        return 1
    return 0


def check_balancer() -> None:
    """HAProxy is the machine's: its libraries have other names in each release of a distribution."""
    if shutil.which("haproxy", path=f"/usr/sbin:/usr/local/sbin:{os.environ.get('PATH', '')}") is None:
        raise PreviousError("HAProxy is missing; install it, for example with apt-get install haproxy")


def newest_tag() -> str:
    """The newest tag of a release before HEAD; empty when there is none."""
    done = git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^")
    return done.stdout.decode().strip() if done.returncode == 0 else ""


def commit_of(name: str) -> str:
    done = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if done.returncode != 0:
        raise PreviousError(
            f"there is no commit {name} in this clone; fetch it (`git fetch --unshallow --tags`), or name "
            "another one: make upgrade-test FROM=<commit or tag>"
        )
    return done.stdout.decode().strip()


def check_baseline(commit: str) -> None:
    """Its ledger can be brought up to date: it begins as that of the first release does."""
    released = (ROOT / MIGRATIONS / "released.sha256").read_text(encoding="utf-8")
    found = git("show", f"{commit}:{MIGRATIONS}/{BASELINE}")
    if found.returncode != 0 or f"{hashlib.sha256(found.stdout).hexdigest()}  {BASELINE}" not in released:
        raise PreviousError(
            f"the ledger of {commit[:12]} is from before VisAPI's first release, and no release "
            f"can run beside it; name a commit since {FIRST[:12]}, or a tag"
        )


def check_migrations(commit: str) -> None:
    """Each of its migrations is one of this checkout, byte for byte, as `visapi admin migrate` asks."""
    found = git("diff", "--no-renames", "--name-status", commit, "--", f":(glob){MIGRATIONS}/*.sql")
    for line in found.stdout.decode().splitlines():
        status, path = line.split("\t", 1)
        if status == "A":
            continue
        name, present = Path(path).name, git("log", "-1", "--format=%h", "--", path).stdout.decode().strip()
        what = (
            f"has the migration {name}, which this checkout has not"
            if status == "D"
            else f"has another text of the migration {name}, which got its present one in {present}"
        )
        raise PreviousError(
            f"the ledger of {commit[:12]} {what}: `visapi admin migrate` refuses such a database, so no "
            "upgrade can be tried; name a tag, or a commit whose migrations are all unchanged here"
        )


def lay_out(commit: str) -> Path:
    """The files of the commit, and its environment as its own `make setup` builds it."""
    target = PLACE / commit[:12]
    if not (target / "Makefile").exists():
        archive = git("archive", "--format=tar", commit)
        if archive.returncode != 0:
            raise PreviousError(f"git cannot archive {commit}: {archive.stderr.decode().strip()}")
        part = target.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(part, filter="data")
        part.rename(target)
    environ = {name: value for name, value in os.environ.items() if name not in _OF_MAKE}
    done = subprocess.run(
        ["make", "--no-print-directory", "setup"], cwd=target, env=environ, stdout=sys.stderr, check=False
    )
    if done.returncode != 0:
        raise PreviousError(f"`make setup` failed in {target}; the lines above say why")
    return target


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
