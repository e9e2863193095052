"""The threat model is whole, and what it names exists; so is the table of ASVS, and the policy that both rest on."""

from copy import deepcopy
from datetime import date
from typing import Any

import pytest

from kit.deploy_tools import ROOT
from kit.scripts import imported, run_tool

TODAY = date(2026, 11, 29)


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    return imported("threat_model", monkeypatch)


def test_the_pages_are_made_from_their_tables_and_name_tests_that_exist() -> None:
    done = run_tool("threat_model", "--check")
    assert done.returncode == 0, done.stdout


def test_each_part_has_a_threat_of_every_kind_that_it_can_have(tool: Any) -> None:
    model = tool.load("model")
    assert list(tool.mistakes(model, TODAY)) == []
    assert len(model["threat"]) >= 50


@pytest.mark.parametrize(
    ("spoil", "mistake"),
    [
        (
            lambda model: model["threat"][0].update(tests=["tests/contract/test_none.py::test_nothing"]),
            "does not exist",
        ),
        (
            lambda model: model["threat"][0].update(tests=["tests/contract/test_grants.py::test_nothing"]),
            "does not exist",
        ),
        (lambda model: model["threat"][0].pop("tests"), "needs tests or an acceptance"),
        (lambda model: model["threat"].pop(0), "client has no threat of spoofing"),
        (lambda model: accepted(model).pop("why"), "accepted without why"),
        (lambda model: accepted(model).update(review=date(2026, 1, 1)), "was to be looked at again"),
        (lambda model: model["flow"][0].update(to="nobody"), "names the part nobody"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(tool: Any, spoil: Any, mistake: str) -> None:
    model = deepcopy(tool.load("model"))
    spoil(model)
    assert any(mistake in found for found in tool.mistakes(model, TODAY))


def accepted(model: Any) -> Any:
    return next(threat["accepted"] for threat in model["threat"] if "accepted" in threat)


def test_no_number_of_asvs_is_met_without_a_test(tool: Any) -> None:
    asvs = tool.load("asvs")
    assert list(tool.asvs_mistakes(asvs)) == []
    asvs["item"][0].pop("tests")
    assert any("is met by no test" in found for found in tool.asvs_mistakes(asvs))


def test_the_policy_names_how_fast_holes_are_mended() -> None:
    policy = (ROOT / "SECURITY.md").read_text()
    for words in ("48 hours", "seven days", "three working days", "14 days", "90 days"):
        assert words in policy
