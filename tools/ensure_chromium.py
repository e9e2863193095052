"""Make sure that a Chromium is there: an installed one, else Playwright's, else the distribution's.

Run by `make setup` inside the environment. `find_chromium` in the pdf-worker looks in the same places.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

INSTALLED = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
)
DOWNLOAD_TIMEOUT_S = 600
CONNECT_S = 4.0
_CDN = "cdn.playwright.dev"
_REASON = re.compile(r"(?:Error|error): (.+)")


def main() -> int:
    if find():
        return 0
    for name, attempt in (
        ("Playwright's Chromium", from_playwright),
        ("the distribution's Chromium", from_apt),
    ):
        _say(f"installing {name}")
        problem = attempt()
        if problem is None and find():
            return 0
        _say(f"{name} could not be installed: {problem or 'it is not found afterwards'}")
    sys.stderr.write(
        "setup: PDFs need Chromium. Install it yourself, for example with\n"
        "         sudo apt-get install chromium-headless-shell\n"
        "       or .venv/bin/playwright install --only-shell chromium, and run make again.\n"
    )
    return 1


def find() -> Path | None:
    """An installed Chromium, or the one that Playwright downloaded."""
    chosen = os.environ.get("VISAPI_CHROMIUM")
    if chosen:
        return Path(chosen) if Path(chosen).exists() else None
    for name in INSTALLED:
        found = shutil.which(name)
        if found:
            return Path(found)
    return downloaded()


def downloaded() -> Path | None:
    root = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    folders = (
        [Path(root)]
        if root
        else [Path.home() / ".cache/ms-playwright", Path.home() / "Library/Caches/ms-playwright"]
    )
    for folder in folders:
        for pattern in (
            "chromium_headless_shell-*/*/headless_shell",
            "chromium_headless_shell-*/*/*headless-shell",
        ):
            found = sorted(folder.glob(pattern))
            if found:
                return found[-1]
    return None


def from_playwright() -> str | None:
    """Download it; what went wrong in one line. A host that does not answer is not waited for."""
    if not any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "PLAYWRIGHT_DOWNLOAD_HOST")):
        try:
            socket.create_connection((_CDN, 443), timeout=CONNECT_S).close()
        except OSError as error:
            return f"{_CDN} cannot be reached ({error})"
    return _ran([sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"])


def from_apt() -> str | None:
    """Install the package; what went wrong in one line."""
    apt = shutil.which("apt-get")
    if apt is None:
        return "there is no apt-get"
    prefix: list[str] = []
    if os.geteuid() != 0:
        if _ran(["sudo", "-n", "true"]) is not None:
            return "apt-get needs root, and sudo asks for a password"
        prefix = ["sudo", "-n"]
    _ran([*prefix, apt, "update", "-qq"])
    problem: str | None = None
    for name in INSTALLED[:2]:
        problem = _ran([*prefix, apt, "install", "-y", "-qq", name])
        if problem is None:
            return None
    return problem


def _ran(command: list[str]) -> str | None:
    """Run it silently; `None` when it succeeded, else the reason in one line."""
    if shutil.which(command[0]) is None:
        return f"{command[0]} is missing"
    try:
        done = subprocess.run(
            command,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=DOWNLOAD_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {DOWNLOAD_TIMEOUT_S} s"
    return None if done.returncode == 0 else reason(done.stdout, done.returncode)


def reason(output: str, code: int) -> str:
    """The first line of a program's output that names an error, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line in lines:
        found = _REASON.search(line)
        if found:
            return found.group(1)[:200]
    return (lines[-1] if lines else f"exit code {code}")[:200]


def _say(text: str) -> None:
    sys.stdout.write(f"setup: {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
