"""The checker of the pages finds what differs: a checker that was never seen failing proves nothing."""

import subprocess
from pathlib import Path

import pytest

from kit.pages import difference, read_page, script_of


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("run  …\nstatus  completed\n", "run       01a2\nstatus    completed\n"),
        ("first\n…\nlast\n", "first\nsecond\nthird\nlast\n"),
        ("saved …, … bytes", "saved a.pdf, 12 bytes\n"),
    ],
)
def test_what_differs_each_time_is_no_difference(shown: str, printed: str):
    assert difference(shown, printed) is None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("status  completed", "status  faulted"),
        ("first\n…\nlast", "first\nlast"),
        ("first", "first\nsecond"),
        ('output {"a":1}', 'output {"a":2}'),
    ],
)
def test_what_the_page_does_not_show_is_a_difference(shown: str, printed: str):
    assert difference(shown, printed) is not None


@pytest.mark.parametrize(
    "source",
    ["```sh maybe\nls\n```\n", "```yaml\na: 1\n```\n", "```sh no-run:\nls\n```\n", "```text\nalone\n```\n"],
)
def test_a_block_that_does_not_say_how_it_runs_is_a_mistake(source: str):
    assert read_page(source).mistakes != []


@pytest.mark.parametrize(
    ("block", "code"),
    [("```sh\nfalse\ntrue\n```\n", 1), ("```sh fails\ntrue\n```\n", 1), ("```sh fails\nfalse\n```\n", 0)],
)
def test_a_command_that_does_not_end_as_the_page_says_ends_the_page(tmp_path: Path, block: str, code: int):
    (tmp_path / "out").mkdir()
    ran = subprocess.run(["bash", "-c", script_of(read_page(block))], cwd=tmp_path, check=False)
    assert ran.returncode == code
