"""The benchmark's command line: rows are chosen by their names. `make bench` measures all of them."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

_ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VISAPI_")}
    environment["PYTHONPATH"] = str(_ROOT / "tests")
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=_ROOT, env=environment, check=False, capture_output=True, text=True)


def test_rows_are_chosen_by_parts_of_their_names_and_come_with_those_measured_beside(tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    done = bench("--rows", "Native; jq expression", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["name"] for row in msgspec.json.decode(out.read_bytes())] == [
        "native expression",
        "jq expression",
        "key check",
        "key check with rates",
    ]


def test_a_row_that_there_is_not_is_refused_with_the_rows_that_there_are() -> None:
    done = bench("--rows", "events heard; 4-step")
    assert done.returncode == 2
    assert "no row's name contains '4-step'" in done.stderr
    assert "3-step workflows" in done.stderr
