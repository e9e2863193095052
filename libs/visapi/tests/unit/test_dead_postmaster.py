"""The lock file of a PostgreSQL process is removed only when that process has ended."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from visapi.stack.members import remove_lock_of_dead


def test_the_lock_of_a_process_that_ended_and_was_not_reaped_is_removed(tmp_path: Path) -> None:
    lock = tmp_path / "postmaster.pid"
    lock.write_text("1")
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        process = psutil.Process(child.pid)
        ends = time.monotonic() + 30
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < ends, "the child never ended"
            time.sleep(0.01)
        remove_lock_of_dead(process, tmp_path)
    assert not lock.exists()


def test_the_lock_of_a_process_that_runs_stays(tmp_path: Path) -> None:
    lock = tmp_path / "postmaster.pid"
    lock.write_text("1")
    remove_lock_of_dead(psutil.Process(), tmp_path)
    assert lock.exists()
