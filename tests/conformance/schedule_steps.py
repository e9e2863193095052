"""The steps about workflows that start by themselves: runs nobody asked for, and what the schedule says of itself."""

from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from conformance.steps import Stage, publish, step


def _named(stage: Stage) -> str:
    """`namespace/name` of the scenario's workflow."""
    assert not stage.refused, stage.refused
    return stage.address.removeprefix("/v1/workflows/").removesuffix("/runs")


def _schedule(stage: Stage) -> dict[str, Any]:
    answer = stage.client.get(f"/v1/schedules/{_named(stage)}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def _runs(stage: Stage) -> list[dict[str, Any]]:
    """The runs of the scenario's workflow, oldest first."""
    page = stage.client.get("/v1/runs", params={"workflow": _named(stage)}).json()
    return sorted(page["items"], key=lambda run: run["id"])


# ---- act


@step(r"the schedule is (paused|resumed|triggered)")
def _control(stage: Stage, word: str) -> None:
    verb = {"paused": "pause", "resumed": "resume", "triggered": "trigger"}[word]
    answer = stage.client.post(f"/v1/schedules/{_named(stage)}/{verb}")
    assert answer.status_code < 300, answer.text


@step(r"the events are published until the schedule starts a run:")
def _publish_until(stage: Stage, block: str) -> None:
    """The listener of a schedule begins shortly after the deployment and has no view, so say it again until it hears."""

    def heard() -> list[dict[str, Any]]:
        publish(stage, block)
        return _runs(stage)

    stage.run = stage.wait_for(heard, "the schedule to hear the events")[0]["id"]


@step(r"a run has been started by the schedule")
def _has_started_one(stage: Stage) -> None:
    stage.run = stage.wait_for(lambda: _runs(stage), "the schedule to start a run")[0]["id"]


@step(r"(\d+) runs have been started by the schedule")
def _have_started(stage: Stage, count: str) -> None:
    stage.wait_for(lambda: len(_runs(stage)) >= int(count), f"the schedule to start {count} runs")


# ---- assert


@step(r"a fire of the schedule should have been (\w+)")
def _fire_was(stage: Stage, outcome: str) -> None:
    stage.wait_for(
        lambda: outcome in [fire["outcome"] for fire in _schedule(stage)["fires"]], f"a fire to be {outcome}"
    )


@step(r"the schedule should have started (\d+) runs? in all")
def _started_in_all(stage: Stage, count: str) -> None:
    assert len(_runs(stage)) == int(count), _runs(stage)


@step(r"each run should have begun after the one before it ended")
def _one_after_another(stage: Stage) -> None:
    runs = _runs(stage)
    assert len(runs) > 1, runs
    for before, after in pairwise(runs):
        assert before["ended_at"], runs
        assert _time(before["ended_at"]) <= _time(after["created_at"]), (before, after)


@step(r"the schedule should fire next at '([\d:]+)' in '([^']+)'")
def _fires_at(stage: Stage, clock: str, zone: str) -> None:
    times = [_time(text).astimezone(ZoneInfo(zone)) for text in _schedule(stage)["next"]]
    assert times
    assert {f"{time:%H:%M}" for time in times} == {clock}, times


@step(r"the schedule should have no next time")
def _no_next(stage: Stage) -> None:
    assert _schedule(stage)["next"] == []


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
