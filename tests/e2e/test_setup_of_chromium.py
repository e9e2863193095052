"""What `make setup` says when Chromium cannot be downloaded: one line, no stack trace."""

import os
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "ensure_chromium.py"


def test_a_failed_download_is_one_line_each_and_a_hint(tmp_path: Path):
    environ = {
        **os.environ,
        "VISAPI_CHROMIUM": str(tmp_path / "missing"),
        "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path),
        "PLAYWRIGHT_DOWNLOAD_HOST": "http://127.0.0.1:9",
        "PATH": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, str(TOOL)], check=False, capture_output=True, text=True, timeout=120, env=environ
    )
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["setup"] * 4
    assert "could not be installed" in lines[1]
    assert "there is no apt-get" in lines[3]
    assert "    at " not in done.stdout + done.stderr
    assert "sudo apt-get install chromium-headless-shell" in done.stderr
