"""What can be read from the files alone: format, documentation, and that environments differ only in values."""

import re
import subprocess
import sys
from typing import Any

import pytest

from kit.deploy_tools import ROOT
from kit.terraform import ENVIRONMENTS, LAYERS, MODULES, STACKS, TREE, parsed, program

FOLDERS = [*(f"modules/{name}" for name in MODULES), *(f"stacks/{name}" for name in STACKS)]


def test_every_file_is_formatted():
    done = subprocess.run(
        [program(), "fmt", "-check", "-recursive", TREE],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "", "run terraform fmt -recursive terraform"
    assert done.returncode == 0, done.stderr


def test_tables_of_inputs_and_outputs_and_users_of_nats_are_those_of_the_code():
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "terraform_files.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("layer", LAYERS)
def test_environments_differ_only_in_values(layer: str):
    files = {
        name: sorted(path.name for path in (TREE / "environments" / name / layer).iterdir())
        for name in ENVIRONMENTS
    }
    assert set(map(tuple, files.values())) == {("main.tf",)}
    staging, production = parsed([TREE / "environments" / name / layer / "main.tf" for name in ENVIRONMENTS])
    assert shape(staging) == shape(production)
    assert staging != production


def shape(value: Any) -> Any:
    """What is left of HCL when literal values are taken out: blocks, names of arguments, expressions."""
    if isinstance(value, dict):
        return {re.sub(r"staging|production", "ENVIRONMENT", key): shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value] if any(isinstance(each, dict) for each in value) else "LIST"
    if isinstance(value, str) and "${" in value:
        return value
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_refuses_to_be_deleted(environment: str):
    [read] = parsed([TREE / "environments" / environment / "aws" / "main.tf"])
    assert read["module"][0]["stack"]["protected"] is True


def test_production_stands_in_several_zones():
    [read] = parsed([TREE / "environments" / "production" / "aws" / "main.tf"])
    stack = read["module"][0]["stack"]
    assert stack["postgres"]["multi_az"] is True
    assert stack["nat_per_zone"] is True
    assert stack["postgres"]["backup_days"] == 35


def test_every_input_of_a_module_is_described_and_each_check_names_its_input():
    read = parsed([TREE / folder / "variables.tf" for folder in FOLDERS])
    inputs = [
        (f"{folder} {name}", name, body)
        for folder, found in zip(FOLDERS, read, strict=True)
        for variable in found["variable"]
        for name, body in variable.items()
    ]
    assert len(inputs) > 100
    assert [where for where, _, body in inputs if not {"description", "type"} <= set(body)] == []
    nameless = [
        where
        for where, name, body in inputs
        for check in body.get("validation", [])
        if name not in str(check["error_message"])
    ]
    assert nameless == []


def test_every_output_is_described():
    files = [TREE / folder / "outputs.tf" for folder in FOLDERS]
    lacking = [
        f"{folder} {name}"
        for folder, found in zip(FOLDERS, parsed(files), strict=True)
        for output in found["output"]
        for name, body in output.items()
        if "description" not in body
    ]
    assert lacking == []
