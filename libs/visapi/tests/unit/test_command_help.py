"""Each command has an example, which its own parser takes; completion names commands and options."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from visapi.cli.examples import EXAMPLES, examples_of
from visapi.cli.main import app

ROOT: Any = typer.main.get_command(app)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(group, TyperGroup):
        yield path
        return
    context = typer.Context(group)
    for name in group.list_commands(context):
        yield from commands(group.get_command(context, name), (*path, name))


COMMANDS = list(commands(ROOT))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_that_its_parser_takes(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(Path(__file__).parents[4])
    found = examples_of(path)
    assert found, f"add a line to cli/examples.py for visapi {' '.join(path)}"
    command = ROOT
    for name in path:
        command = command.get_command(typer.Context(command), name)
    for line in found:
        command.make_context(path[-1], shlex.split(line)[1 + len(path) :]).close()
    assert all(line in command.epilog for line in found)


def test_the_help_shows_the_example():
    assert (
        "Example: visapi run list --status faulted"
        in CliRunner().invoke(app, ["run", "list", "--help"]).output
    )


def test_every_example_is_one_of_a_command():
    known = {line for path in COMMANDS for line in examples_of(path)}
    assert known == set(EXAMPLES)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ru", "run"),
        ("run li", "list"),
        ("run list --sta", "--status"),
        ("endpoint p", "ping"),
        ("run list --cu", "--curl"),
    ],
)
def test_the_shell_completes_commands_and_options(typed: str, offered: str):
    words = f"visapi {typed}"
    environ = {
        **os.environ,
        "_VISAPI_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    ran = subprocess.run(
        [Path(sys.executable).parent / "visapi"], env=environ, capture_output=True, text=True, check=True
    )
    assert offered in ran.stdout.split()


def test_the_script_for_the_shell_is_printed():
    asked = f"{Path(sys.executable).parent / 'visapi'} --show-completion; true"
    ran = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    assert "_VISAPI_COMPLETE=complete_bash" in ran.stdout
