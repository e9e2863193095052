"""Plans of the environments of terraform/, with mocked providers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kit.terraform import HERE, Workspace, initialise, run

SECRETS = {
    "TF_VAR_database_password": "a-password-of-24-characters",
    "TF_VAR_storage_key_id": "id",
    "TF_VAR_storage_key": "key",
    "TF_VAR_secrets_directory": "../../../../secrets",
}
"""What an operator of the light path hands over by the environment."""


def grouped(environment: str, layer: str, *values: str) -> Any:
    """A parameter. Tests that need the same plan run in the same process, which makes it once."""
    return pytest.param(*(values or (environment,)), marks=pytest.mark.xdist_group(f"{environment}-{layer}"))


def planned(workspace: Workspace, environment: str, layer: str) -> dict[str, Any]:
    """The plan of an environment with mocked providers, as Terraform writes it in JSON."""
    kept = workspace.place / f"{environment}-{layer}.json"
    if not kept.exists():
        kept.write_text(json.dumps(_planned(workspace, environment, layer)), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


def _planned(workspace: Workspace, environment: str, layer: str) -> dict[str, Any]:
    place = prepare(workspace, environment, layer)
    (place / "tests").mkdir(exist_ok=True)
    shutil.copy(HERE / "environments" / f"{layer}.tftest.hcl", place / "tests")
    valid = run(workspace, place, "validate", "-no-color")
    assert valid.returncode == 0, valid.stdout + valid.stderr
    done = run(workspace, place, "test", "-json", "-verbose")
    messages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    wrong = [
        each["@message"] + json.dumps(each.get("diagnostic", ""))
        for each in messages
        if each["@level"] == "error"
    ]
    assert done.returncode == 0, "\n".join(wrong)[-6000:]
    return next(each["test_plan"] for each in messages if each["type"] == "test_plan")


def prepare(workspace: Workspace, environment: str, layer: str) -> Path:
    """The folder of an environment's layer, initialised, with the files that an operator puts there."""
    place = workspace.tree / "environments" / environment / layer
    (place / "database-ca.pem").write_text("-----BEGIN CERTIFICATE-----\ntest\n", encoding="utf-8")
    secrets = workspace.place / "secrets"
    if not secrets.exists():
        shutil.copytree(HERE / "secrets", secrets)
    initialise(workspace, place)
    return place
