"""`visapi demo --url`: what it needs to know about a stack that runs elsewhere."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from visapi.cli.main import app
from visapi.cli.output import AUTHENTICATION, FAILURE, USAGE

SAMPLE = Path(__file__).parents[4] / "examples/visa-approval.yaml"
OPTIONS = ["--definition", str(SAMPLE), "--input", str(SAMPLE.with_name("visa-approval.input.json"))]
NOBODY = "http://127.0.0.1:9"


def demo(*options: str, key: str = "visapi_live_x"):
    return CliRunner().invoke(app, ["demo", *OPTIONS, "--url", NOBODY, *options], env={"VISAPI_API_KEY": key})


def test_without_a_key_it_says_which_variable_holds_one(tmp_path: Path):
    ran = demo("--world", str(tmp_path), key="")
    assert ran.exit_code == AUTHENTICATION
    assert "VISAPI_API_KEY" in ran.stderr


@pytest.mark.parametrize("world", [[], ["--world", "/nonexistent"]])
def test_without_the_folder_of_its_stand_ins_it_asks_for_it(world: list[str]):
    ran = demo(*world)
    assert ran.exit_code == USAGE
    assert "--world" in ran.stderr


def test_a_gateway_that_nobody_serves_is_named(tmp_path: Path):
    ran = demo("--world", str(tmp_path))
    assert ran.exit_code == FAILURE
    assert NOBODY in ran.output
