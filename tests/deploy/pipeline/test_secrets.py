"""A secret is found in any version of any file, also where a later commit removed it."""

import subprocess
from pathlib import Path

import pytest

from kit.scripts import run_tool
from visapi_common.core.api_keys import mint

# In two parts, so that no scanner takes this file for what it tests.
SECRET = "AKIA" + "QHZ5T7RNW3M4KP2X"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "tests/notes.md", f"aws_access_key_id = {SECRET}\n")
    commit(tmp_path, "tests/notes.md", "nothing\n")
    return tmp_path


def git(repository: Path, *arguments: str) -> None:
    who = ("-c", "user.name=tests", "-c", "user.email=tests@visapi.invalid")
    subprocess.run(["git", "-C", repository, *who, *arguments], check=True, timeout=60)


def commit(repository: Path, name: str, text: str) -> None:
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text(text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", name)


def test_a_secret_that_was_removed_is_found(repository: Path):
    done = run_tool("scan_secrets", "--repository", repository)
    assert done.returncode == 1
    assert "tests/notes.md: AWS Access Key ID in line 1 of object" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_key_of_ours_is_found(repository: Path):
    key = mint("live", 2**100, 2**250 + 12345)
    commit(repository, "tests/notes.md", f"curl -H 'Authorization: Bearer {key}'\n")
    done = run_tool("scan_secrets", "--repository", repository, "--tree")
    assert done.returncode == 1
    assert "tests/notes.md: VisAPI API key in line 1 of object" in done.stderr
    assert key not in done.stdout + done.stderr


def test_what_is_checked_out_holds_none(repository: Path):
    done = run_tool("scan_secrets", "--repository", repository, "--tree")
    assert (done.returncode, done.stdout) == (0, "secret-scan: 1 texts, 0 findings\n")
