"""The benchmark itself works: every row is measured. No time is asserted; `make bench` reports them."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_every_row_of_the_budget_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    size = [] if os.environ.get("VISAPI_TEST_LOAD") == "full" else ["--short"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VISAPI_")}
    environment["PYTHONPATH"] = str(_ROOT / "tests")
    done = subprocess.run(
        [sys.executable, "-m", "bench", *size, "--out", str(out)],
        cwd=_ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["name"]: row["value"] for row in msgspec.json.decode(out.read_bytes())}
    assert {
        "3-step workflows",
        "accepted triggers",
        "static PDFs",
        "jq expression",
        "idle memory",
        "hostile jq to its fault, slowest",
        "run beside hostile jq p99",
        "memory of large runs",
    } <= rows.keys()
    for part in ("events heard", "tasks of one run", "items of one map", "another tenant beside"):
        assert any(part in name for name in rows), part
    # The small sizes need no memory that one could see.
    assert all(value > 0 for name, value in rows.items() if name != "memory of large runs")
