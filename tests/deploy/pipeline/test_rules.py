"""The workflows keep the house rules, and each rule finds a workflow that breaks it."""

import shutil
from pathlib import Path

import pytest

from kit.deploy_tools import ROOT
from kit.workflow_rules import findings

CI, STAGING, PRODUCTION, RELEASE = (
    f".github/workflows/{name}.yml" for name in ("ci", "deploy-staging", "deploy-production", "release")
)
ENVIRONMENT, DEPLOY = (f".github/actions/{name}/action.yml" for name in ("environment", "deploy"))
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
MUTATIONS = {
    "a tag instead of a commit": (CI, CHECKOUT, "actions/checkout@v7", "not pinned"),
    "a commit without its version": (CI, CHECKOUT, CHECKOUT.split(" ", maxsplit=1)[0], "not pinned"),
    "an action in a composite action": (ENVIRONMENT, "@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0", "@main", "not pinned"),
    "a composite action that is not there": (CI, "./.github/actions/environment", "./.github/actions/nowhere", "does not exist"),
    "an echo": (CI, "run: make check", "run: echo checked", "something else than a make target"),
    "an echo beside make": (CI, "run: make check", "run: make check && echo checked", "something else than a make target"),
    "a failure that is hidden": (CI, "run: make check", "run: make check || true", "something else than a make target"),
    "a target that is not there": (CI, "run: make check", "run: make chekc", "no make target chekc"),
    "a target without its variable": (DEPLOY, "        URL: ${{ inputs.url }}\n", "", "make deploy needs URL"),
    "an expression in a shell": (CI, "run: make test", 'run: make test SHARD="${{ matrix.shard }}"', "expression into a shell"),
    "no timeout": (CI, "    timeout-minutes: 15\n", "", "no timeout-minutes"),
    "six hours": (CI, "timeout-minutes: 15", "timeout-minutes: 360", "no timeout-minutes"),
    "permissions of the workflow": (CI, "permissions: {}", "permissions: read-all", "not {}"),
    "a job without permissions": (CI, "    permissions:\n      contents: read # The checkout.\n", "", "not listed"),
    "a right too many": (CI, "contents: read # The checkout.", "contents: write", "may write contents"),
    "the token in the checkout": (CI, "persist-credentials: false", "persist-credentials: true", "leaves the token"),
    "a trigger with rights on strangers' text": (CI, "  pull_request:\n", "  pull_request_target:\n", "strangers"),
    "no concurrency group": (STAGING, "  group: deploy-staging\n", "", "no concurrency group"),
    "a runner that changes": (CI, "ubuntu-24.04", "ubuntu-latest", "runs on ubuntu-latest"),
    "a step that may fail": (CI, "      - run: make check", "      - continue-on-error: true\n        run: make check", "unnoticed"),
    "secrets without an environment": (STAGING, "    environment: staging\n", "", "without an environment"),
    "production on a push": (PRODUCTION, "  workflow_dispatch:\n", "  push:\n  workflow_dispatch:\n", "by hand only"),
    "all secrets handed on": (RELEASE, "    uses: ./.github/workflows/publish.yml", "    secrets: inherit\n    uses: ./.github/workflows/publish.yml", "hands secrets on"),
    "a job that does nothing": (CI, "      - run: make check\n      - run: make versions\n", "", "does nothing"),
}  # fmt: skip


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the rules read, to be changed."""
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    for name in ("Makefile", "deploy/pipeline/pipeline.mk"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_workflows_keep_the_rules():
    assert findings(ROOT) == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_workflow_that_breaks_a_rule_is_found(name: str, copy: Path):
    path, before, after, said = MUTATIONS[name]
    text = (copy / path).read_text()
    assert before in text
    (copy / path).write_text(text.replace(before, after, 1))
    found = findings(copy)
    assert any(said in line and line.startswith(path) for line in found), found


def test_no_environment_of_a_workflow_is_left_to_chance(copy: Path):
    """A make target that is renamed is missed by the workflows that call it."""
    makefile = copy / "Makefile"
    makefile.write_text(makefile.read_text().replace("\ncheck: setup", "\nlint: setup"))
    assert any("no make target check" in line for line in findings(copy))
