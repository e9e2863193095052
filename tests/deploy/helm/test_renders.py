"""Each value set renders, with Helm 3 and with Helm 4, to what was agreed and to what Kubernetes and its operators take."""

import difflib
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.chart import CHART, HELMS, VALUE_SETS, Object, objects, title
from kit.deploy_tools import TOOLS, ask, run

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
BASE = "minimal"
"""Its render is kept whole; of the other sets the difference to it is kept, which is what a set means."""
KUBERNETES = ("1.31", "1.34", "1.37")
NO_MODEL = {"postgresql.cnpg.io/v1 Cluster"}
"""CloudNativePG publishes no models of its CRDs as a package."""


STANDARD_LABELS = {
    f"app.kubernetes.io/{each}" for each in ("name", "instance", "version", "part-of", "managed-by")
} | {"helm.sh/chart"}


def spelled(given: list[Object]) -> dict[str, list[str]]:
    """One spelling of each object. Secrets that a dev release makes at random are masked; labels that each object has are
    left out, a test of their own asks for them.
    """
    shown: dict[str, list[str]] = {}
    for made in given:
        each = made
        if made["kind"] == "Secret":
            each = {**made, "data": dict.fromkeys(made.get("data", {}), "RANDOM")}
        text = yaml.dump(
            without_standard_labels(each), width=150, default_flow_style=None, Dumper=yaml.CSafeDumper
        )
        shown[title(each)] = text.splitlines()
    return shown


def without_standard_labels(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: without_standard_labels(each) for key, each in value.items() if key not in STANDARD_LABELS
        }
    return [without_standard_labels(each) for each in value] if isinstance(value, list) else value


def golden(name: str) -> str:
    """The base whole; of another set, by object, the lines that it takes away and adds. No line numbers: a change of
    the base changes no other file.
    """
    base, made = spelled(objects(BASE)), spelled(objects(name))
    if name == BASE:
        return "".join(f"--- # {each}\n" + "\n".join(lines) + "\n" for each, lines in base.items())
    told: list[str] = []
    for each in sorted({*base, *made}):
        if each not in made:
            told.append(f"without {each}")
        elif lines := [line for line in difflib.ndiff(base.get(each, []), made[each]) if line[0] in "+-"]:
            told += [f"{'changes' if each in base else 'adds'} {each}", *lines]
    return "\n".join(told) + "\n"


def test_there_are_at_least_eight_value_sets():
    assert len(VALUE_SETS) >= 8


@pytest.mark.parametrize("helm", HELMS)
def test_the_chart_has_no_flaws_that_helm_sees(helm: str):
    values = [part for file in VALUE_SETS["production"] for part in ("--values", str(file))]
    done = run(helm, "lint", "--strict", CHART, *values)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", VALUE_SETS)
def test_both_helms_make_the_same_objects(name: str):
    assert spelled(objects(name, "helm3")) == spelled(objects(name, "helm4"))


@pytest.mark.parametrize("name", VALUE_SETS)
def test_every_object_has_the_recommended_labels(name: str):
    lacking = {
        title(each): missing
        for each in objects(name)
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/instance")
        and (missing := (STANDARD_LABELS | {"app.kubernetes.io/component"}) - set(each["metadata"]["labels"]))
    }
    unlabelled = [title(each) for each in objects(name) if not each["metadata"].get("labels")]
    assert lacking == {}
    assert not unlabelled or name in {"extras", "examples"}, "only objects of the operator's own have none"


@pytest.mark.parametrize("name", VALUE_SETS)
def test_a_value_set_makes_what_was_agreed(name: str):
    file = GOLDEN / (f"{name}.yaml" if name == BASE else f"{name}.diff")
    made = golden(name)
    if os.environ.get("VISAPI_TEST_FREEZE"):
        file.write_text(made, encoding="utf-8")
    agreed = file.read_text(encoding="utf-8") if file.exists() else ""
    difference = "\n".join(
        difflib.unified_diff(agreed.splitlines(), made.splitlines(), "agreed", "made", lineterm="")
    )
    assert made == agreed, f"{file.name}; if this is meant: VISAPI_TEST_FREEZE=1\n{difference}"


def test_every_golden_file_belongs_to_a_value_set():
    assert {path.stem for path in GOLDEN.iterdir()} == set(VALUE_SETS)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_kubernetes_knows_every_field(name: str):
    given = [
        each
        for each in objects(name)
        if "." not in each["apiVersion"].split("/")[0] or "k8s.io" in each["apiVersion"]
    ]
    core = [each for each in given if not each["apiVersion"].startswith("gateway.")]
    answer = ask("chart-python", HERE / "kubernetes_answers.py", {"objects": core, "versions": KUBERNETES})
    assert core
    assert answer == {"wrong": [], "unknown": []}


def test_a_field_that_kubernetes_does_not_know_is_seen():
    wrong = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "x"},
        "spec": {"ports": [{"port": "80"}], "prts": []},
    }
    answer = ask("chart-python", HERE / "kubernetes_answers.py", {"objects": [wrong], "versions": KUBERNETES})
    assert len(answer["wrong"]) == len(KUBERNETES)


def custom(names: list[str]) -> list[Object]:
    return [
        each
        for name in names
        for each in objects(name)
        if "." in each["apiVersion"].split("/")[0]
        and ("k8s.io" not in each["apiVersion"] or each["apiVersion"].startswith("gateway."))
    ]


def crd_answer(given: list[Object]) -> dict[str, list[str]]:
    return ask("node", HERE / "crd_answers.cjs", given, str(TOOLS / "chart" / "node_modules"))


def test_the_operators_know_every_field():
    given = custom(list(VALUE_SETS))
    answer = crd_answer(given)
    assert answer["wrong"] == []
    assert set(answer["unknown"]) <= NO_MODEL
    assert {each["kind"] for each in given} >= {
        "ScaledObject",
        "ExternalSecret",
        "PodMonitor",
        "ServiceMonitor",
        "HTTPRoute",
    }


def test_a_field_that_an_operator_misses_is_seen():
    [scaled, *_] = [each for each in custom(["production"]) if each["kind"] == "ScaledObject"]
    triggers = [
        {key: value for key, value in trigger.items() if key != "type"}
        for trigger in scaled["spec"]["triggers"]
    ]
    assert crd_answer([{**scaled, "spec": {**scaled["spec"], "triggers": triggers}}])["wrong"]
