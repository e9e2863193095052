"""Make sure that a Chromium is there: an installed one, else Playwright's, else the distribution's.

Run by `make setup` inside the environment. `find_chromium` in the pdf-worker looks in the same places.
"""

import os
import shutil
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


def main() -> int:
    if find():
        return 0
    for name, attempt in (
        ("Playwright's Chromium", from_playwright),
        ("the distribution's Chromium", from_apt),
    ):
        sys.stdout.write(f"setup: installing {name}\n")
        sys.stdout.flush()
        if attempt() and find():
            return 0
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


def from_playwright() -> bool:
    return _ran([sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"])


def from_apt() -> bool:
    apt = shutil.which("apt-get")
    if apt is None:
        return False
    prefix: list[str] = []
    if os.geteuid() != 0:
        if not _ran(["sudo", "-n", "true"], quiet=True):
            return False
        prefix = ["sudo", "-n"]
    _ran([*prefix, apt, "update", "-qq"], quiet=True)
    return any(_ran([*prefix, apt, "install", "-y", "-qq", name], quiet=True) for name in INSTALLED[:2])


def _ran(command: list[str], *, quiet: bool = False) -> bool:
    if shutil.which(command[0]) is None:
        return False
    output = subprocess.DEVNULL if quiet else None
    try:
        done = subprocess.run(command, check=False, stdout=output, stderr=output, timeout=DOWNLOAD_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
