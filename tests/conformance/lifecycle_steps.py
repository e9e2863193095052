"""The steps about what the world is told of a run: the specification's lifecycle events, as a subscriber hears them."""

from typing import Any

from conformance.steps import Stage, contains, step, value_of

_ENDS = ("workflow.completed", "workflow.faulted", "workflow.cancelled")
_PREFIX, _VERSION = "io.serverlessworkflow.", ".v1"


def _kind(event: dict[str, Any]) -> str:
    """`workflow.started` of `io.serverlessworkflow.workflow.started.v1`."""
    return event["type"].removeprefix(_PREFIX).removesuffix(_VERSION)


def _told(stage: Stage) -> list[dict[str, Any]]:
    """All events of the scenario's run, once its last was heard; each once, however often it was told."""

    def heard() -> list[dict[str, Any]]:
        mine = {event["id"]: event for event in list(stage.world.told) if event["subject"] == stage.run}
        return list(mine.values()) if any(_kind(event) in _ENDS for event in mine.values()) else []

    return stage.wait_for(heard, "the last lifecycle event of the run")


def _the(stage: Stage, kind: str) -> dict[str, Any]:
    told = _told(stage)
    found = [event for event in told if _kind(event) == kind]
    assert len(found) == 1, [_kind(event) for event in told]
    return found[0]


# ---- act


@step(r"the workflow is (suspended|resumed)")
def _control(stage: Stage, word: str) -> None:
    verb = {"suspended": "suspend", "resumed": "resume"}[word]
    answer = stage.client.post(f"/v1/runs/{stage.run}/{verb}", json={"reason": "the scenario says so"})
    assert answer.status_code < 300, answer.text


@step(r"the workflow has become (\w+)")
def _has_become(stage: Stage, status: str) -> None:
    def is_so() -> bool:
        return stage.client.get(f"/v1/runs/{stage.run}").json()["status"] == status

    stage.wait_for(is_so, f"the run to be {status}")


# ---- assert


@step(r"the lifecycle events of the workflow should be:")
def _of_workflow(stage: Stage, block: str) -> None:
    kinds = [_kind(event) for event in _told(stage)]
    assert [kind for kind in kinds if kind.startswith("workflow.")] == value_of(block), kinds


@step(r"the lifecycle events of ([\w-]+) should be:")
def _of_task(stage: Stage, task: str, block: str) -> None:
    """A task is named by the last word of its pointer."""
    told = _told(stage)
    kinds = [_kind(event) for event in told if event["data"].get("task", "").rsplit("/", 1)[-1] == task]
    assert kinds == value_of(block), [(_kind(event), event["data"]) for event in told]


@step(r"the lifecycle event '([\w.-]+)' should say:")
def _says(stage: Stage, kind: str, block: str) -> None:
    event = _the(stage, kind)
    assert contains(event["data"], value_of(block)), event


@step(r"the lifecycle event '([\w.-]+)' should say when in '(\w+)'")
def _says_when(stage: Stage, kind: str, member: str) -> None:
    event = _the(stage, kind)
    assert event["data"][member] == event["time"], event


@step(r"each lifecycle event should name the run and its workflow")
def _names_its_run(stage: Stage) -> None:
    told = _told(stage)
    workflow = stage.address.removeprefix("/v1/workflows/").removesuffix("/runs")
    namespace, _, name = workflow.partition("/")
    for event in told:
        assert event["specversion"] == "1.0", event
        assert event["source"] == f"/workflows/{workflow}", event
        key = "workflow" if "task" in event["data"] else "name"
        assert event["data"][key] == f"{name}-{stage.run}.{namespace}", event


@step(r"the lifecycle events should come in the order of the history")
def _in_order(stage: Stage) -> None:
    told = [event["id"] for event in _told(stage)]
    silent = "task.skipped"
    assert told == [f"{stage.run}:{item['seq']}" for item in stage.history() if item["type"] != silent]
