"""What Terraform gives to Helm, given to Helm: the values that an environment makes render, with both Helms, to objects that
Kubernetes, its operators and the policies take.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.chart import CHART, HELMS, Object, rendered
from kit.chart_policies import denials
from kit.deploy_tools import ROOT, TOOLS, ask, run
from kit.terraform import ENVIRONMENTS, TREE, Workspace
from kit.terraform_plans import grouped, planned

HELM_TESTS = ROOT / "tests" / "deploy" / "helm"
OBJECTS = TREE / "charts" / "cluster-objects"
OURS = ("objects", "nats_secrets", "bootstrap", "visapi")
"""The releases of charts that lie in this repository; those of others cannot be had here."""


@pytest.fixture(scope="module", params=[grouped(environment, "cluster") for environment in ENVIRONMENTS])
def releases(
    request: pytest.FixtureRequest, workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Path]]:
    """The values of each release of an environment, as files, by the resource's name."""
    folder = tmp_path_factory.mktemp("values")
    found: dict[str, list[Path]] = {}
    for each in planned(workspace, request.param, "cluster")["resource_changes"]:
        if each["type"] == "helm_release":
            found[each["name"]] = [
                folder / f"{each['name']}-{number}.yaml"
                for number, _ in enumerate(each["change"]["after"]["values"])
            ]
            for path, text in zip(found[each["name"]], each["change"]["after"]["values"], strict=True):
                path.write_text(text, encoding="utf-8")
    return found


@pytest.mark.timeout(300)
def test_the_releases_of_an_environment_render_and_nobody_has_anything_against_them(
    releases: dict[str, list[Path]],
):
    made = {name: render(name, releases) for name in OURS}
    assert made == {name: render(name, releases, HELMS[0]) for name in OURS}
    given = [each for objects in made.values() for each in objects]
    core = [
        each
        for each in given
        if "." not in each["apiVersion"].split("/")[0] or "k8s.io" in each["apiVersion"]
    ]
    question = {"objects": core, "versions": ("1.31", "1.34", "1.37")}
    assert ask("chart-python", HELM_TESTS / "kubernetes_answers.py", question) == {"wrong": [], "unknown": []}
    custom = [each for each in given if each not in core]
    answer = ask("node", HELM_TESTS / "crd_answers.cjs", custom, str(TOOLS / "chart" / "node_modules"))
    assert answer == {"wrong": [], "unknown": [], "checked": len(custom)}
    assert {each["kind"] for each in custom} == {"ExternalSecret", "SecretStore", "ScaledObject"}
    assert denials([made["visapi"], made["bootstrap"]]) == [[], []]
    reads(made)


def render(name: str, releases: dict[str, list[Path]], helm: str = HELMS[1]) -> list[Object]:
    """What a release of Terraform's makes, under the name that it gives to it."""
    release = {"visapi": "visapi", "bootstrap": "visapi-bootstrap"}.get(name, name.replace("_", "-"))
    return rendered(CHART if name == "visapi" else OBJECTS, *releases[name], helm=helm, release=release)


def reads(made: dict[str, list[Object]]) -> None:
    """Each Secret that a pod reads is one that an ExternalSecret or the chart makes, with the keys that the pod names."""
    there: dict[str, set[str]] = {}
    for each in (each for name in ("bootstrap", "visapi") for each in made[name]):
        if each["kind"] == "ExternalSecret":
            there[each["spec"]["target"]["name"]] = {entry["secretKey"] for entry in each["spec"]["data"]}
        elif each["kind"] == "Secret":
            there[each["metadata"]["name"]] = set(each.get("stringData", {}))
    wanted = [one for name in ("bootstrap", "visapi") for each in made[name] for one in secrets_of(each)]
    assert len(wanted) > 20
    assert [f"{name}/{key}" for name, key in wanted if key not in there.get(name, set())] == []


def secrets_of(value: Any) -> list[tuple[str, str]]:
    """Name and key of each Secret that an object projects or mounts."""
    if isinstance(value, list):
        return [one for each in value for one in secrets_of(each)]
    if not isinstance(value, dict):
        return []
    found = [one for each in value.values() for one in secrets_of(each)]
    secret = value.get("secret")
    if isinstance(secret, dict) and "items" in secret:
        found += [(secret.get("name") or secret["secretName"], item["key"]) for item in secret["items"]]
    return found


def test_service_accounts_of_the_release_are_those_that_have_a_role(releases: dict[str, list[Path]]):
    accounts = {
        each["metadata"]["name"] for each in render("visapi", releases) if each["kind"] == "ServiceAccount"
    }
    main = (TREE / "stacks" / "aws" / "main.tf").read_text(encoding="utf-8")
    assert accounts == {f"visapi-{name}" for name in ("gateway", "orchestrator", "pdf-worker", "notifier")}
    assert all(f'"{account}"' in main for account in accounts)


@pytest.mark.parametrize("helm", HELMS)
def test_the_chart_of_objects_has_no_flaws_that_helm_sees(helm: str):
    done = run(helm, "lint", "--strict", OBJECTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_value_of_the_chart_of_objects_names_its_path():
    done = run("helm4", "template", "x", OBJECTS, "--set", "bootstrap.databasePort=0")
    assert done.returncode != 0
    assert "databasePort" in done.stderr


def test_nats_gets_three_servers_and_the_users_of_the_services(releases: dict[str, list[Path]]):
    example, own = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in releases["nats"])
    users = own["config"]["merge"]["accounts"]["VISAPI"]["users"]
    wanted = {f"<< ${name} >>" for name in example["container"]["env"]}
    assert example["config"]["cluster"]["replicas"] == 3
    assert {user["password"] for user in users} == wanted
