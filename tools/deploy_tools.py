"""Install the tools of `make deploy-check` into `.tools/`; deploy/tools/README.md describes the sets.

    python tools/deploy_tools.py [SET...]    all sets, or those named; sets with `asked_only` only when named

Uses the standard library, pip, npm, and apt-get where a set names packages of the distribution. A stamp
per set makes a second run immediate.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SETS = ROOT / "deploy" / "tools"
TOOLS = ROOT / ".tools"
AT_ONCE = 2
QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_NO_INPUT": "1"}


class ToolsError(Exception):
    """A set cannot be installed; the message says how to mend it."""


def main() -> int:
    known = sorted(path.parent.name for path in SETS.glob("*/set.json"))
    asked = sys.argv[1:] or [name for name in known if not described(name).get("asked_only")]
    if unknown := sorted(set(asked) - set(known)):
        sys.stderr.write(f"deploy-tools: no set {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    with ThreadPoolExecutor(AT_ONCE) as pool:
        failures = [failure for failure in pool.map(attempt, asked) if failure]
    for failure in failures:
        sys.stderr.write(f"deploy-tools: {failure}\n")
    return 1 if failures else 0


def described(name: str) -> Any:
    """The `set.json` of a set."""
    return json.loads((SETS / name / "set.json").read_text(encoding="utf-8"))


def attempt(name: str) -> str:
    """Install one set; answer what went wrong."""
    try:
        install(SETS / name, TOOLS / name)
    except ToolsError as error:
        return f"{name}: {error}"
    return ""


def install(source: Path, target: Path) -> None:
    stamp = target / ".stamp"
    key = fingerprint(source)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == key:
        return
    print(f"deploy-tools: installing {source.name}", flush=True)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if (source / "requirements.lock").exists():
        install_python(source / "requirements.lock", target / "python")
    if (source / "package-lock.json").exists():
        install_npm(source, target)
    programs = described(source.name)
    for package in programs.get("debian", {}):
        unpack_debian(package, target / "debian")
    expose(programs, target)
    stamp.write_text(key, encoding="utf-8")


def fingerprint(source: Path) -> str:
    """What an installed set depends on: the files of the set, this Python, the place."""
    digest = hashlib.sha256(f"{sys.version} {TOOLS}".encode())
    for path in sorted(source.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def install_python(lock: Path, environment: Path) -> None:
    try:
        venv.create(environment, with_pip=True, symlinks=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolsError(
            f"cannot make {environment}: {error}; on Debian: apt-get install python3-venv"
        ) from error
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--quiet"]
    run(
        [*pip, "--require-hashes", "--no-deps", "-r", str(lock)],
        "the locked Python packages could not be installed",
    )


def install_npm(source: Path, target: Path) -> None:
    if shutil.which("npm") is None:
        raise ToolsError("npm is missing: install Node.js 20 or newer (on Debian: apt-get install npm)")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, target / name)
    options = ["--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--loglevel=error"]
    run(["npm", "ci", "--prefix", str(target), *options], "the locked npm packages could not be installed")


def unpack_debian(package: str, place: Path) -> None:
    """Download a package of the distribution and unpack it, which needs no root and starts no service."""
    if shutil.which("apt-get") is None:
        raise ToolsError(f"{package} comes from Debian or Ubuntu, and there is no apt-get")
    downloads, lists = place / "downloads", place / "lists"
    for folder in (downloads, lists / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    own = [
        "-o",
        f"Dir::State::Lists={lists}",
        "-o",
        f"Dir::Cache={place}/cache",
        "-o",
        "APT::Sandbox::User=root",
    ]
    failure = f"the package {package} could not be fetched"
    if not downloaded(package, downloads, []):
        run(["apt-get", "update", "-qq", *own], failure)
        if not downloaded(package, downloads, own):
            raise ToolsError(f"{failure}: apt-get download {package} failed")
    for archive in downloads.glob(f"{package}_*.deb"):
        run(["dpkg-deb", "--extract", str(archive), str(place)], f"{archive.name} could not be unpacked")
    for folder in (downloads, lists, place / "cache"):
        shutil.rmtree(folder, ignore_errors=True)


def downloaded(package: str, folder: Path, options: list[str]) -> bool:
    done = subprocess.run(
        ["apt-get", "download", "-qq", *options, package], cwd=folder, check=False, capture_output=True
    )
    return done.returncode == 0


def expose(programs: Mapping[str, Any], target: Path) -> None:
    """Put the programs of a set into `.tools/bin`."""
    shown = TOOLS / "bin"
    shown.mkdir(exist_ok=True)
    files = {name: target / place for name, place in programs.get("link", {}).items()}
    for members in programs.get("debian", {}).values():
        files |= {name: target / "debian" / place for place, name in members.items()}
    for archive, members in programs.get("unpack", {}).items():
        with zipfile.ZipFile(target / archive) as opened:
            for member, name in members.items():
                files[name] = Path(opened.extract(member, target / "unpacked"))
                files[name].chmod(0o755)
    for name, file in files.items():
        if not file.exists():
            raise ToolsError(f"{name}: the packages hold no {file.relative_to(target)}")
        link = shown / name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(file, shown))


def run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, check=False, env={**os.environ, **QUIET}, capture_output=True, text=True)
    if done.returncode != 0:
        raise ToolsError(f"{failure}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


if __name__ == "__main__":
    sys.exit(main())
