"""Every module, stack and environment is planned by Terraform itself: AWS's against its real schema, others against transcribed ones."""

import json

import pytest

from kit.terraform import ENVIRONMENTS, LAYERS, MODULES, TREE, Workspace, initialise, run
from kit.terraform_plans import SECRETS, grouped, planned, prepare

TESTED = [*(f"modules/{name}" for name in MODULES), "stacks/aws"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("folder", TESTED)
def test_the_assertions_of_a_module_hold(folder: str, workspace: Workspace):
    place = workspace.tree / folder
    assert list(place.glob("tests/*.tftest.hcl")), f"{folder} has no tests"
    initialise(workspace, place)
    done = run(workspace, place, "test", "-no-color")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert ", 0 failed." in done.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("environment", "layer"),
    [grouped(name, layer, name, layer) for name in ENVIRONMENTS for layer in LAYERS],
)
def test_an_environment_is_valid_and_can_be_planned(environment: str, layer: str, workspace: Workspace):
    plan = planned(workspace, environment, layer)
    made = [each for each in plan["resource_changes"] if each["change"]["actions"] == ["create"]]
    assert len(made) >= {"aws": 80, "cluster": 8, "grafana": 4, "light": 7}[layer]


@pytest.mark.timeout(300)
def test_the_light_path_is_applied_to_stand_ins_without_drift(workspace: Workspace):
    place = prepare(workspace, "production", "light")
    (place / "local_override.tf").write_text('terraform {\n  backend "local" {}\n}\n', encoding="utf-8")
    try:
        for arguments in (("init",), ("apply", "-auto-approve"), ("plan", "-detailed-exitcode")):
            done = run(workspace, place, *arguments, "-input=false", "-no-color", timeout_s=300, **SECRETS)
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        state = json.loads((place / "terraform.tfstate").read_text(encoding="utf-8"))
    finally:
        (place / "local_override.tf").unlink()
    made = {each["type"] for each in state["resources"] if each["mode"] == "managed"}
    assert made == {
        "render_private_service", "render_web_service", "render_background_worker", "supabase_project", "supabase_settings",
    }  # fmt: skip
    assert state["outputs"]["stack"]["value"]["database_host"] == "pooler.example.com"


def test_every_folder_with_resources_is_planned():
    found = {path.parent.relative_to(TREE).as_posix() for path in TREE.glob("**/main.tf")}
    environments = {f"environments/{name}/{layer}" for name in ENVIRONMENTS for layer in LAYERS}
    # The other stacks are planned by their environments.
    assert found == {*TESTED, *environments, *(f"stacks/{layer}" for layer in LAYERS)}
