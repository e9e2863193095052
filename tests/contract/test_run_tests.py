"""The runner of the suite fails whenever a test fails twice, and names a test that passes only alone."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PASSES = "def test_passes(): pass\n"
FAILS = "def test_fails(): assert False\n"
RACES = """
from pathlib import Path
import pytest
@pytest.mark.parametrize("number", range({count}))
def test_races(number):
    seen = Path(__file__).with_name(f"seen-{{number}}")
    if not seen.exists():
        seen.touch()
        raise AssertionError("the first run")
"""


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_tests", ROOT / "tools/run_tests.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    # These runs need pytest alone; its plugins take seconds to import.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return module


def part(folder: Path, name: str, text: str) -> list[str]:
    """The arguments for one part: a file with these tests, in a workspace of its own."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / f"test_{name}.py").write_text(text)
    return [f"test_{name}.py"]


def test_a_failure_of_the_first_part_fails_the_run_and_the_second_part_still_runs(runner, tmp_path, capfd):
    parts = [part(tmp_path, "one", FAILS), part(tmp_path, "two", PASSES)]
    assert runner.run_parts(parts) == 1
    printed = capfd.readouterr().out
    assert printed.count("1 failed in") == 4  # the part, the second run, and both again in the summary
    assert "1 passed in" in printed
    assert "1 failed in" in printed.splitlines()[-1]


def test_a_test_that_passes_only_alone_is_named_and_the_run_passes(runner, tmp_path, capfd):
    assert runner.run_parts([part(tmp_path, "races", RACES.format(count=1))]) == 0
    assert "RACES: " in (printed := capfd.readouterr().out)
    assert "test_races.py::test_races[0] failed among others" in printed


def test_many_failures_are_no_race(runner, tmp_path, capfd):
    assert runner.run_parts([part(tmp_path, "races", RACES.format(count=4))]) == 1
    assert "RACES" not in capfd.readouterr().out


def test_a_file_that_cannot_be_read_fails_the_run(runner, tmp_path, capfd):
    assert runner.run_parts([part(tmp_path, "broken", "def test_(:\n"), part(tmp_path, "two", PASSES)]) == 2
    assert "1 error in" in capfd.readouterr().out.splitlines()[-1]
