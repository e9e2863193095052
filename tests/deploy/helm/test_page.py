"""docs/how-to/install-with-helm.md does what it says, as far as no cluster is needed."""

import os
import subprocess
import sys
from pathlib import Path

from kit.deploy_tools import ROOT, tool
from kit.pages import Block, read_page

PAGE = read_page((ROOT / "docs" / "how-to" / "install-with-helm.md").read_text(encoding="utf-8"))
OURS = "make deploy-check runs it"


def test_each_block_for_this_test_runs_and_fails_where_the_page_says_so(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "helm").symlink_to(tool("helm4"))
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    path = f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = 0
    for block in PAGE.blocks:
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "sh" and block.excused == OURS:
            ran += 1
            _run(block, tmp_path, path)
    assert ran >= 3


def _run(block: Block, place: Path, path: str) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text], cwd=place, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
    assert (done.returncode != 0) == block.flags.startswith("fails"), (
        f"line {block.line}: {done.stdout}{done.stderr}"
    )
    if block.flags.startswith("fails"):
        assert "key_burst" in done.stderr
    elif "autoscalers" in block.text:
        assert done.stdout.count("kind: ScaledObject") == 2
