"""Copy the files of some Debian packages, and of what they need, into a folder that becomes an image.

    python3 runtime_root.py TARGET [--beside STATUS] PACKAGE...

Runs while an image is built. The image gets no shell, no package manager and no program but those in
`PROGRAMS`: where a package needs one of `LEFT`, only its installation does. Each package leaves its entry in
`var/lib/dpkg/status.d`, by which scanners know it. Packages whose entries lie in the folder STATUS are not
copied again. Uses the standard library only.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

LEFT = frozenset(
    """
    adduser base-passwd bash coreutils dash dbus debconf debconf-2.0 debianutils diffutils dpkg findutils grep
    gzip init-system-helpers install-info libc-bin login lsb-base openssl passwd perl perl-base sed
    sensible-utils tar ucf util-linux xdg-utils x11-utils
    """.split()  # noqa: SIM905 (a list of words)
)
PROGRAMS = frozenset({"/usr/bin/python3.11"})
SKIPPED = re.compile(
    r"/usr/share/(?:man|info|locale|lintian|bug|menu|bash-completion|doc-base|applications|pixmaps|icons|python3|gdb)/"
    r"|/usr/share/doc/(?!.*/copyright$)"
    r"|/usr/lib/python3\.11/(?:idlelib|lib2to3|ensurepip|pydoc_data|turtledemo|tkinter|test|config-3\.11[^/]*)/"
    r"|/usr/lib/[^/]+/gconv/|/usr/share/X11/xkb/|/usr/lib/chromium/libVkLayer"
    r"|/usr/s?bin/|/etc/(?:cron|logrotate|init|default|dpkg|apt|update-motd|skel|profile)"
)
GENERATED = ("/etc/ssl/certs", "/etc/fonts", "/var/cache/fontconfig")
"""What the installation of packages made, in which no package list names it."""
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def main() -> None:
    target, roots = Path(sys.argv[1]), sys.argv[2:]
    there = set[str]()
    if roots[0] == "--beside":
        there = {path.name for path in Path(roots[1]).iterdir()}
        roots = roots[2:]
    packages = {
        entry["Package"]: entry for entry in read_status(Path("/var/lib/dpkg/status").read_text("utf-8"))
    }
    for name in sorted(closure(packages, roots) - there):
        for path in files_of(name):
            copy(path, target)
        record(packages[name]["_text"], target / "var/lib/dpkg/status.d" / name)
    for folder in GENERATED:
        for path in [Path(folder), *sorted(Path(folder).rglob("*"))] if Path(folder).exists() else []:
            copy(str(path), target)


def read_status(text: str) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = []
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"(?m)^([\w-]+): ?(.*)$", block))
        if fields.get("Status", "").endswith(" installed"):
            entries.append({**fields, "_text": block.strip() + "\n"})
    return entries


def closure(packages: dict[str, dict[str, str]], roots: list[str]) -> set[str]:
    """The packages that `roots` need; of alternatives, those that are installed."""
    provided = {
        provided.strip().split(" ")[0]: name
        for name, entry in packages.items()
        for provided in entry.get("Provides", "").split(",")
        if provided.strip()
    }
    found, waiting = set[str](), list(roots)
    while waiting:
        name = waiting.pop()
        name = name if name in packages else provided.get(name, "")
        if not name or name in found or name in LEFT:
            continue
        found.add(name)
        needs = f"{packages[name].get('Depends', '')},{packages[name].get('Pre-Depends', '')}"
        waiting += [
            part.strip().split(" ")[0].split(":")[0] for part in re.split(r"[,|]", needs) if part.strip()
        ]
    if missing := [root for root in roots if root not in found]:
        raise SystemExit(f"runtime_root: {', '.join(missing)} is not installed")
    return found


def files_of(package: str) -> list[str]:
    listed = subprocess.run(["dpkg-query", "-L", package], check=True, capture_output=True, text=True)
    return [line for line in listed.stdout.splitlines() if line.startswith("/") and line != "/."]


def copy(path: str, target: Path) -> None:
    first = path.split("/")[1]
    place = f"/usr{path}" if first in MERGED else path
    if path.strip("/") in MERGED or (SKIPPED.match(f"{place}") and place not in PROGRAMS):
        return
    source, wanted = Path(path), target / place.lstrip("/")
    if source.is_symlink():
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.unlink(missing_ok=True)
        wanted.symlink_to(source.readlink())
    elif source.is_dir():
        wanted.mkdir(parents=True, exist_ok=True)
    elif source.is_file():
        wanted.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, wanted)


def record(text: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
