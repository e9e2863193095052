"""`make upgrade-test FROM=…` refuses at once a commit whose ledger no release can be brought up beside."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from kit.deploy_tools import ROOT

MIGRATIONS = "libs/common/src/visapi_common/sql/migrations"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
ALWAYS_HERE = "0008_answers_of_keys.sql"


def refused(commit: str, environ: dict[str, str]) -> str:
    command = [sys.executable, "tools/previous_release.py", commit]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


@pytest.fixture
def beside(tmp_path: Path) -> dict[str, str]:
    """The environment of a git that writes objects and an index beside the repository, not into it."""
    objects = subprocess.check_output(
        ["git", "rev-parse", "--path-format=absolute", "--git-path", "objects"], cwd=ROOT, text=True
    ).strip()
    (tmp_path / "objects").mkdir()
    return {
        **os.environ,
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        **{
            f"GIT_{who}_{what}": "test@example.com"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }


def git(environ: dict[str, str], *arguments: str, given: str = "") -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, env=environ, input=given, text=True, check=True, capture_output=True
    )
    return done.stdout.strip()


def committed(environ: dict[str, str], migrations: Mapping[str, str]) -> str:
    """A commit that is HEAD but for these migrations."""
    git(environ, "read-tree", "HEAD")
    for name, text in migrations.items():
        blob = git(environ, "hash-object", "-w", "--stdin", given=text)
        git(environ, "update-index", "--add", "--cacheinfo", f"100644,{blob},{MIGRATIONS}/{name}")
    return git(environ, "commit-tree", "-m", "other migrations", git(environ, "write-tree"))


def test_a_commit_without_the_baseline_of_the_first_release_is_refused(beside: dict[str, str]):
    git(beside, "mktree")
    commit = git(beside, "commit-tree", "-m", "before", EMPTY_TREE)
    assert f"the ledger of {commit[:12]} is from before VisAPI's first release" in refused(commit, beside)


def test_a_commit_with_another_text_of_a_migration_is_refused_by_the_name_of_the_migration(
    beside: dict[str, str],
):
    commit = committed(beside, {ALWAYS_HERE: "select 1;\n"})
    said = refused(commit, beside)
    assert f"the ledger of {commit[:12]} has another text of the migration {ALWAYS_HERE}" in said
    assert "name a tag, or a commit" in said


def test_a_commit_with_a_migration_that_this_checkout_has_not_is_refused_by_its_name(
    beside: dict[str, str],
):
    commit = committed(beside, {"0008_hooks.sql": "select 1;\n"})
    assert "has the migration 0008_hooks.sql, which this checkout has not" in refused(commit, beside)


def test_a_commit_that_the_clone_lacks_is_refused():
    assert "there is no commit no-such-tag in this clone" in refused("no-such-tag", dict(os.environ))
