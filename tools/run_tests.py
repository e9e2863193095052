"""Run the whole suite: what bears company in parallel, then faults, load, attacks and drills one at a time.

    python tools/run_tests.py [--jobs 3] [--shard 1/3]

A test that fails is run once more, alone, when at most three of a part failed: neighbours that share two
cores can delay a test for seconds. A test that passes only alone is named at the end, because its wait is
wrong and has to be mended; the run passes. Both parts run whatever the other did. The closing lines of
pytest are repeated at the end, a failed one last; the exit code is 0 only if every test passed.

Temporary files lie in memory where the machine has enough: a test has a database of 800 files, and ext4 takes
half a second of a processor to make so many anew right after others were removed.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ALONE = "attacks or faults or load or drills"
ALONE_IN = ("tests/attacks", "tests/drills", "tests/faults", "tests/load")
ELSEWHERE = "deploy or images or upgrade"
"""What `make deploy-check` runs, `make images` on images that it has built, and `make upgrade-test`."""
SLOWEST = ("--durations=30", "--durations-min=5")
"""Each part names what took its time."""
LONGEST_FIRST = ("tests/e2e", "services", "tests", "libs")
"""Files are handed out in this order, so that no long one is left for a single process at the end."""
AGAIN_MAX = 3
FAILED_TESTS = 1
"""The exit code of pytest when tests failed; every other code is a broken run, which no second run mends."""
MEMORY = Path("/dev/shm")  # noqa: S108 (a folder of the run's own is made in it)
MEMORY_MIN = 12 * 1024**3
"""Bytes that must be free in memory, and allowed in `MEMORY`, for temporary files to lie there."""
CLOSING = re.compile(r"^(=+ )?(\d+ \w+|no tests ran).* in \d")


@dataclass
class Outcome:
    """How one run of pytest ended: exit code, closing line, ids of the tests that failed."""

    code: int
    closing: str
    failed: list[str] = field(default_factory=list[str])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", default="3")
    parser.add_argument(
        "--shard", default="", help="one part of the suite, such as 1/3, for several machines"
    )
    given = parser.parse_args()
    shard = ["--shard", given.shard] if given.shard else []
    together = f"not ({ALONE} or {ELSEWHERE})"
    with in_memory():
        return run_parts(
            [
                [
                    *("-n", given.jobs, "--dist", "loadfile", "--no-loadscope-reorder", *shard),
                    *("-m", together, *LONGEST_FIRST),
                ],
                [*shard, "-m", ALONE, *ALONE_IN],
            ]
        )


@contextmanager
def in_memory(memory: Path = MEMORY, free_min: int = MEMORY_MIN) -> Generator[None]:
    """Put the temporary files of every process that the block starts into `memory`, where it has room, and
    remove those files afterwards. Whoever sets `TMPDIR` chooses the place.
    """
    if "TMPDIR" in os.environ or not has_room(memory, free_min):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="visapi-tests-", dir=memory) as folder:
        # Servers that run as another user pass through the folder.
        Path(folder).chmod(0o711)
        os.environ["TMPDIR"] = folder
        try:
            yield
        finally:
            del os.environ["TMPDIR"]


def has_room(memory: Path, free_min: int) -> bool:
    """Whether files in `memory` are kept in memory, may be programs, and have `free_min` bytes."""
    mounts = Path("/proc/mounts")
    if not mounts.exists() or f" {memory} tmpfs " not in mounts.read_text():
        return False
    free = {line.split()[0]: int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()}
    place = os.statvfs(memory)
    return (
        not place.f_flag & os.ST_NOEXEC
        and place.f_bavail * place.f_frsize >= free_min
        and free["MemAvailable:"] * 1024 >= free_min
    )


def run_parts(parts: Sequence[Sequence[str]]) -> int:
    """Run pytest with each part's arguments; returns the exit code of the whole."""
    outcomes: list[Outcome] = []
    racing: list[str] = []
    for part in parts:
        outcome = pytest(part)
        outcomes.append(outcome)
        if outcome.code == FAILED_TESTS and 0 < len(outcome.failed) <= AGAIN_MAX:
            again = pytest(outcome.failed)
            if again.code == 0:
                racing += outcome.failed
                outcome.code = 0
            outcomes.append(again)
    report(outcomes, racing)
    return max(outcome.code for outcome in outcomes)


def pytest(arguments: Sequence[str]) -> Outcome:
    """Run pytest with a cache of its own, and show what it prints."""
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={cache}", *SLOWEST, *arguments]
        closing = ""
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as running:
            assert running.stdout is not None
            for line in running.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                if CLOSING.match(line):
                    closing = line.rstrip()
        return Outcome(running.returncode, closing, failed_in(Path(cache)))


def failed_in(cache: Path) -> list[str]:
    """The ids of the tests that failed, as pytest's cache keeps them."""
    kept = cache / "v/cache/lastfailed"
    return sorted(json.loads(kept.read_text())) if kept.exists() else []


def report(outcomes: Sequence[Outcome], racing: Sequence[str]) -> None:
    sys.stdout.write("\n")
    for test in racing:
        sys.stdout.write(f"RACES: {test} failed among others and passed alone; mend what it waits for\n")
    for outcome in sorted(outcomes, key=lambda outcome: outcome.code):
        sys.stdout.write(f"{outcome.closing or f'pytest ended with {outcome.code} and no closing line'}\n")


if __name__ == "__main__":
    raise SystemExit(main())
