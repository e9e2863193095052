"""What must not be in the tree: large files, conflict marks, secrets, registry hosts, stale lock files."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

LARGE_BYTES = 512 * 1024
LARGE_ALLOWED = re.compile(r"\.(lock|pdf|png|ttf|woff2?)$|^tests/contract/openapi\.json$")

SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/]{20}"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bxox[abp]-[0-9]{8,}-[0-9A-Za-z-]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b"
)
CONFLICT = re.compile(r"(?m)^(<{7} |>{7} |={7}$)")
HOSTS = re.compile(r"https?://[^\s\"'`]+\.(?:whl|tar\.gz|tgz|deb)\b|(?:index|registry)-url *[=:]")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|Users)/[a-z][\w.-]+/")


def main() -> int:
    """Print what is wrong; 1 when something is."""
    lines = [line for path in _files() for line in _check(path)]
    lines += _locks()
    print("\n".join(lines) if lines else "tree: ok")
    return 1 if lines else 0


def _check(path: Path) -> Iterator[str]:
    name = path.relative_to(ROOT).as_posix()
    raw = path.read_bytes()
    if len(raw) > LARGE_BYTES and not LARGE_ALLOWED.search(name):
        yield f"{name}: {len(raw) // 1024} KiB; keep large files out of the repository"
    if b"\0" in raw[:8192]:
        return
    text = raw.decode("utf-8", "replace")
    for rule, what in (
        (SECRETS, "looks like a secret"),
        (CONFLICT, "conflict mark"),
        (HOSTS, "download address or registry host"),
        (MACHINE_PATH, "path of one machine"),
    ):
        found = rule.search(text)
        if found is not None and name != "tools/check_tree.py":
            yield f"{name}:{text.count(chr(10), 0, found.start()) + 1}: {what}"


def _locks() -> Iterator[str]:
    """Every direct requirement stands in its lock file, and every locked line carries hashes."""
    for stem in ("runtime", "dev"):
        wanted = ROOT / "requirements" / f"{stem}.in"
        lock = ROOT / "requirements" / f"{stem}.lock"
        locked = lock.read_text().lower().replace("_", "-")
        for line in wanted.read_text().splitlines():
            name = re.split(r"[\[<>=;! ~]", line.strip())[0].lower().replace("_", "-")
            if (
                name
                and not name.startswith(("#", "-"))
                and not re.search(rf"(?m)^{re.escape(name)}==", locked)
            ):
                yield f"requirements/{stem}.lock: {name} is missing; see CONTRIBUTING, Dependencies"
        if locked.count("==") > locked.count("--hash=sha256:"):
            yield f"requirements/{stem}.lock: a requirement without a hash; compile it with hashes"


def _files() -> Iterator[Path]:
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        path = ROOT / line
        if path.is_file() and not path.is_symlink():
            yield path


if __name__ == "__main__":
    sys.exit(main())
