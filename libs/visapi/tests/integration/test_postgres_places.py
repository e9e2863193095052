"""Where the PostgreSQL cluster lies when the stack runs as root: PostgreSQL itself refuses to run as root."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from visapi.stack import postgres, postgres_binaries
from visapi.stack.accounts import may_enter, postgres_account, running_as_root

pytestmark = pytest.mark.skipif(not running_as_root(), reason="concerns root only")


def test_a_closed_parent_stays_closed_and_the_cluster_is_linked(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    data = closed / "data"
    data.mkdir(mode=0o711)
    made = postgres.prepare(data, port=1, passwords=postgres.new_passwords(), log=data / "log")
    try:
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert (data / "postgres").is_symlink()
        assert made.account is not None
        assert may_enter(made.account, made.cluster.parent)
        assert made.cluster.stat().st_uid == made.account.uid
        again = postgres.prepare(data, port=1, passwords=made.passwords, log=data / "log")
        assert again.cluster == made.cluster
    finally:
        shutil.rmtree((data / "postgres").resolve())


def test_the_account_is_an_unprivileged_one_with_a_passwd_entry():
    account = postgres_account()
    assert account is not None
    assert account.uid != 0


def test_everybody_may_read_the_copied_programs_and_nobody_may_write_them():
    account = postgres_account()
    assert account is not None
    binaries = postgres_binaries.shared_copy()
    assert may_enter(account, binaries)
    for folder, _, files in os.walk(binaries.parent):
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                assert path.stat().st_mode & 0o022 == 0, path
