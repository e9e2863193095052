"""`make upgrade-test FROM=…` refuses at once a commit whose ledger no release can be brought up beside."""

import os
import subprocess
import sys
from pathlib import Path

from kit.deploy_tools import ROOT

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def refused(commit: str, environ: dict[str, str]) -> str:
    command = [sys.executable, "tools/previous_release.py", commit]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_a_commit_without_the_baseline_of_the_first_release_is_refused(tmp_path: Path):
    objects = subprocess.check_output(
        ["git", "rev-parse", "--path-format=absolute", "--git-path", "objects"], cwd=ROOT, text=True
    ).strip()
    # The commit is written beside the repository, not into it.
    environ = {
        **os.environ,
        "GIT_OBJECT_DIRECTORY": str(tmp_path),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
        **{
            f"GIT_{who}_{what}": "test@example.com"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    subprocess.run(
        ["git", "mktree"], cwd=ROOT, env=environ, input="", text=True, check=True, capture_output=True
    )
    commit = subprocess.check_output(
        ["git", "commit-tree", "-m", "before", EMPTY_TREE], cwd=ROOT, env=environ, text=True
    ).strip()
    assert f"the ledger of {commit[:12]} is from before VisAPI's first release" in refused(commit, environ)


def test_a_commit_that_the_clone_lacks_is_refused():
    assert "there is no commit no-such-tag in this clone" in refused("no-such-tag", dict(os.environ))
