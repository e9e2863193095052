import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from visapi.admin.capacity import INPUT_KB_MAX, Cost, Costs, Demand, fitted, need
from visapi.admin.capacity_measured import MEASURED
from visapi.cli.main import app

PART = Cost(10.0, 2.0, 3.0, 0.5)
COSTS = Costs(
    "a test", {"gateway": Cost(0.001), "postgres": Cost(0.002, 0.001)}, PART, PART, Cost(3, 4), PART
)


def test_a_cost_is_found_again_from_four_measurements() -> None:
    points = {(tasks, kb): PART.of(tasks, kb) for tasks in (1.0, 9.0) for kb in (1.0, 32.0)}
    found = fitted(points)
    assert [found.run, found.task, found.kb, found.task_kb] == pytest.approx([10.0, 2.0, 3.0, 0.5])


def test_processors_follow_from_the_peak_and_the_load_that_is_allowed() -> None:
    needed = need(Demand(runs_per_day=864_000, tasks_per_run=3, peak=4, load=0.5), COSTS)
    assert needed.runs_per_s_peak == 40
    assert needed.cores["gateway"] == pytest.approx(40 * 0.001 / 0.5)
    assert needed.cores["postgres"] == pytest.approx(40 * 0.005 / 0.5)


def test_what_is_kept_grows_with_the_days_and_the_log_does_not() -> None:
    week, month = (need(Demand(runs_per_day=1000, keep_days=days), COSTS) for days in (7, 28))
    assert month.rows == pytest.approx(4 * week.rows)
    assert month.wal_gb_per_day == week.wal_gb_per_day


def test_inputs_that_lie_in_the_artifact_store_cost_the_ledger_no_more() -> None:
    large, larger = (need(Demand(runs_per_day=1000, input_kb=kb), COSTS) for kb in (INPUT_KB_MAX, 5000))
    assert larger == large


def test_more_tasks_and_larger_inputs_cost_more_of_each_resource() -> None:
    for cost in (MEASURED.wal_bytes, MEASURED.disk_bytes, MEASURED.nats_bytes):
        assert 0 < cost.of(1, 1) < cost.of(10, 1) < cost.of(10, 40)
    assert MEASURED.rows.of(3, 1) == pytest.approx(MEASURED.rows.of(1, 1) + 2 * MEASURED.rows.task)
    cores = [
        sum(cost.of(tasks, kb) for cost in MEASURED.cpu_s.values())
        for tasks, kb in ((1, 1), (10, 1), (10, 40))
    ]
    assert cores == sorted(cores)


def test_the_command_tells_what_a_million_runs_a_day_need() -> None:
    done = CliRunner().invoke(app, ["admin", "capacity", "--runs-per-day", "1000000", "--json"])
    assert done.exit_code == 0, done.output
    needed = json.loads(done.stdout)
    assert needed["runs_per_s"] == pytest.approx(11.574, rel=1e-3)
    assert set(needed["cores"]) == {"gateway", "orchestrator", "postgres", "nats"}


def test_the_command_takes_costs_that_were_measured_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_bytes(msgspec.json.encode(COSTS))
    done = CliRunner().invoke(app, ["admin", "capacity", "--runs-per-day", "1000", "--costs", str(path)])
    assert done.exit_code == 0, done.output
    assert "a test" in done.output


def test_a_file_that_holds_no_costs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text("{}")
    done = CliRunner().invoke(app, ["admin", "capacity", "--runs-per-day", "1000", "--costs", str(path)])
    assert done.exit_code == 2
