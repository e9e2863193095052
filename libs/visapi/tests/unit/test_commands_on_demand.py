"""Commands of `visapi` are imported when they are called."""

import subprocess
import sys

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from visapi.cli.main import app

HEAVY = ("visapi.admin.doctor", "visapi_engine", "structlog", "nats", "cryptography", "litestar")


def names() -> list[str]:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group.list_commands(typer.Context(group))


@pytest.mark.parametrize("name", names())
def test_every_command_is_found_and_explains_itself(name: str):
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert f"visapi {name}" in shown.output


def test_a_command_that_is_not_there_is_answered_with_one_that_is():
    shown = CliRunner().invoke(app, ["deplyo"])
    assert shown.exit_code == 2
    assert "Did you mean 'deploy'" in shown.output


def test_dlq_is_another_word_for_dead_letter_which_the_help_shows_once():
    for words in ([], ["list"], ["replay-many"]):
        shown = CliRunner().invoke(app, ["dlq", *words, "--help"])
        assert shown.exit_code == 0
        assert f"Usage: visapi {' '.join(['dlq', *words])} [OPTIONS]" in shown.output
    listed = CliRunner().invoke(app, ["--help"]).output
    assert [line.split()[1] for line in listed.splitlines() if "dlq" in line] == ["dead-letter"]


def test_the_command_that_lives_as_long_as_the_stack_imports_no_other_command():
    program = (
        "import sys; import visapi.cli.main, visapi.cli.stack_commands; print(*(sys.modules), sep='\\n')"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = ran.stdout.split()
    assert "visapi.cli.stack_commands" in loaded
    assert [name for name in loaded if name in HEAVY or name.startswith("visapi.cli.admin")] == []
