"""Our own scenarios, and the specification's when `VISAPI_CTK` names a folder with its features."""

import os
import re
from pathlib import Path

import httpx
import pytest

# These two register their steps when they are imported.
import conformance.lifecycle_steps
import conformance.schedule_steps  # noqa: F401 - see above
from conformance.features_of import Scenario, scenarios_of
from conformance.steps import Stage, play
from conformance.world import World

OWN = scenarios_of(Path(__file__).parent / "features")
_KIT = os.environ.get("VISAPI_CTK", "")
KIT = scenarios_of(Path(_KIT)) if _KIT else []


def perform(api: httpx.Client, world: World, scenario: Scenario, namespace: str) -> None:
    world.forget()
    stage = Stage(api, world, namespace)
    for step in scenario.steps:
        play(stage, step)


def namespace_of(prefix: str, number: int, scenario: Scenario) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", scenario.name.lower())
    return f"{prefix}{number}-{words}"[:60].strip("-")


@pytest.mark.parametrize("number", range(len(OWN)), ids=[scenario.id for scenario in OWN])
def test_a_scenario_of_ours_holds(api: httpx.Client, world: World, number: int):
    perform(api, world, OWN[number], namespace_of("own", number, OWN[number]))


@pytest.mark.skipif(
    not _KIT, reason="VISAPI_CTK names no folder with the features of the specification's kit"
)
@pytest.mark.parametrize("number", range(len(KIT)), ids=[scenario.id for scenario in KIT])
def test_a_scenario_of_the_specification_holds(api: httpx.Client, world: World, number: int):
    perform(api, world, KIT[number], namespace_of("ctk", number, KIT[number]))


def test_there_are_eighty_scenarios_of_our_own_with_names_of_their_own():
    assert len(OWN) >= 80
    assert len({scenario.id for scenario in OWN}) == len(OWN)
