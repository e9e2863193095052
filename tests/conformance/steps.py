"""The steps: the vocabulary of the specification's conformance test kit, and our own words for what it leaves out.

Every step talks to a running stack over HTTP. An assertion about the end of a run waits for that end.
"""

import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from conformance.features_of import Step
from conformance.world import Scripted, World
from visapi_engine.source.yaml_source import read_yaml

_ENDED = ("completed", "faulted", "cancelled")
_WAIT_S = 30.0
_YAML = {"Content-Type": "application/yaml"}
Action = Callable[..., None]
STEPS: list[tuple[re.Pattern[str], Action]] = []


class Stage:
    """What one scenario knows: its workflows, its run, its world."""

    def __init__(self, client: httpx.Client, world: World, namespace: str) -> None:
        self.client, self.world, self.namespace = client, world, namespace
        self.address = ""
        self.input: Any = None
        self.run = ""
        self.started_at = 0.0
        self.ended_at = 0.0
        self.refused: list[dict[str, Any]] = []

    def deploy(self, source: str) -> httpx.Response:
        """Deploy under the scenario's own namespace: the kit gives different workflows one name."""
        own = re.sub(r"(?m)\bnamespace: default\b", f"namespace: {self.namespace}", source)
        return self.client.post("/v1/workflows", content=own.encode(), headers=_YAML)

    def ended(self) -> dict[str, Any]:
        """The run once it ended."""
        run = self.wait_for(lambda: _ended(self.client.get(f"/v1/runs/{self.run}").json()), "the run to end")
        self.ended_at = self.ended_at or time.monotonic()
        return run

    def output(self) -> Any:
        run = self.ended()
        assert run["status"] == "completed", run
        return run["output"]

    def history(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        query: dict[str, str] = {}
        while True:
            page = self.client.get(f"/v1/runs/{self.run}/history", params=query).json()
            items += page["items"]
            if not page["next"]:
                return items
            query = {"cursor": page["next"]}

    def items_of(self, task: str, kind: str) -> list[dict[str, Any]]:
        return [item for item in self.history() if item["type"] == kind and _name(item) == task]

    def order(self) -> list[str]:
        """The tasks in the order they started."""
        self.ended()
        return [_name(item) for item in self.history() if item["type"] == "task.started"]

    def wait_for(self, found: Callable[[], Any], what: str) -> Any:
        until = time.monotonic() + _WAIT_S
        while time.monotonic() < until:
            if value := found():
                return value
            time.sleep(0.02)
        run = self.client.get(f"/v1/runs/{self.run}").json() if self.run else None
        raise AssertionError(f"waited {_WAIT_S} s for {what}; the run is {run}")


def play(stage: Stage, step: Step) -> None:
    """Do one step."""
    for pattern, action in STEPS:
        if found := pattern.fullmatch(step.text.rstrip(".")):
            action(stage, *found.groups(), *([] if step.block is None else [step.block]))
            return
    raise AssertionError(f"no step reads: {step.text}")


def step(pattern: str) -> Callable[[Action], Action]:
    """Register how a line is read."""

    def register(action: Action) -> Action:
        STEPS.append((re.compile(pattern), action))
        return action

    return register


def value_of(block: str) -> Any:
    return read_yaml(block, depth_max=64, values_max=10_000)


def at(value: Any, path: str) -> Any:
    """The member a dotted path names; numbers count in arrays."""
    for name in path.split("."):
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


def contains(actual: Any, expected: Any) -> bool:
    """Whether every member that is expected is there with its value."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            name in actual and contains(actual[name], wanted) for name, wanted in expected.items()
        )
    return actual == expected


def _ended(run: dict[str, Any]) -> dict[str, Any] | None:
    return run if run["status"] in _ENDED else None


def _name(item: dict[str, Any]) -> str:
    return (item["task"] or {}).get("name", "") if item.get("task") else ""


# ---- arrange


@step(r"(?:given )?a workflow with definition:")
def _define(stage: Stage, source: str) -> None:
    answer = stage.deploy(source)
    if answer.status_code >= 400:
        stage.refused = answer.json().get("errors") or [{"pointer": "", "detail": answer.text}]
        return
    deployed = answer.json()
    stage.address = f"/v1/workflows/{deployed['namespace']}/{deployed['name']}/runs"


@step(r"another workflow with definition:")
def _define_another(stage: Stage, source: str) -> None:
    answer = stage.deploy(source)
    assert answer.status_code in (200, 201), answer.text


@step(r"given the workflow input is:")
def _input(stage: Stage, block: str) -> None:
    stage.input = value_of(block)


@step(r"the secret '([^']+)' is:")
def _secret(stage: Stage, name: str, block: str) -> None:
    answer = stage.client.put(f"/v1/secrets/{name}", json={"value": value_of(block)})
    assert answer.status_code < 300, answer.text


@step(r"the secret '([^']+)' may be sent to '([^']+)':")
def _secret_for_a_host(stage: Stage, name: str, host: str, block: str) -> None:
    answer = stage.client.put(f"/v1/secrets/{name}", json={"value": value_of(block), "hosts": [host]})
    assert answer.status_code < 300, answer.text


@step(r"the service answers '([^']+)' with:")
def _script(stage: Stage, path: str, block: str) -> None:
    stage.world.script[path] = msgspec.convert(value_of(block), list[Scripted])


# ---- act


@step(r"the workflow is executed")
def _execute(stage: Stage) -> None:
    assert not stage.refused, stage.refused
    stage.started_at = time.monotonic()
    answer = stage.client.post(stage.address, json=stage.input)
    assert answer.status_code == 202, answer.text
    stage.run = answer.json()["id"]


@step(r"([\w-]+) has started")
def _has_started(stage: Stage, task: str) -> None:
    stage.wait_for(lambda: stage.items_of(task, "task.started"), f"{task} to start")


@step(r"the events are published:")
def publish(stage: Stage, block: str) -> None:
    for number, event in enumerate(value_of(block)):
        plain = {
            "specversion": "1.0",
            "source": f"/{stage.namespace}",
            "id": f"{time.monotonic_ns()}-{number}",
        }
        answer = stage.client.post(
            "/v1/events",
            content=msgspec.json.encode(plain | event),
            headers={"Content-Type": "application/cloudevents+json"},
        )
        assert answer.status_code == 202, answer.text


@step(r"the workflow is cancelled")
def _cancel(stage: Stage) -> None:
    answer = stage.client.post(f"/v1/runs/{stage.run}/cancel", json={"reason": "the scenario says so"})
    assert answer.status_code < 300, answer.text


# ---- assert


@step(r"the workflow should cancel")
def _should_cancel(stage: Stage) -> None:
    run = stage.ended()
    assert run["status"] == "cancelled", run


@step(r"the workflow should complete(?: with output:)?")
def _should_complete(stage: Stage, *block: str) -> None:
    output = stage.output()
    if block:
        assert output == value_of(block[0]), output


@step(r"the workflow should fault(?: with error:)?")
def _should_fault(stage: Stage, *block: str) -> None:
    run = stage.ended()
    assert run["status"] == "faulted", run
    if block:
        assert contains(run["error"], value_of(block[0])), run["error"]


@step(r"the definition should be refused at '([^']+)'")
def _refused(stage: Stage, pointer: str) -> None:
    assert pointer in [error["pointer"] for error in stage.refused], stage.refused


@step(r"the workflow output should have properties (.+)")
def _has_properties(stage: Stage, names: str) -> None:
    output = stage.output()
    for name in re.findall(r"'([^']+)'", names):
        at(output, name)


@step(r"the workflow output should have an? '([^']+)' property with value:")
def _has_value(stage: Stage, path: str, block: str) -> None:
    output = stage.output()
    assert at(output, path) == value_of(block), output


@step(r"the workflow output should have an? '([^']+)' property containing (\d+) items")
def _has_items(stage: Stage, path: str, count: str) -> None:
    output = stage.output()
    assert len(at(output, path)) == int(count), output


@step(r"([\w-]+) should run first")
def _first(stage: Stage, task: str) -> None:
    assert stage.order()[0] == task, stage.order()


@step(r"([\w-]+) should run last")
def _last(stage: Stage, task: str) -> None:
    assert stage.order()[-1] == task, stage.order()


@step(r"([\w-]+) should run before ([\w-]+)")
def _before(stage: Stage, one: str, other: str) -> None:
    order = stage.order()
    assert order.index(one) < order.index(other), order


@step(r"([\w-]+) should run after ([\w-]+)")
def _after(stage: Stage, one: str, other: str) -> None:
    _before(stage, other, one)


@step(r"([\w-]+) should run (\d+) times?")
def _times(stage: Stage, task: str, count: str) -> None:
    assert stage.order().count(task) == int(count), stage.order()


@step(r"([\w-]+) should be (skipped|retried)")
def _became(stage: Stage, task: str, kind: str) -> None:
    stage.ended()
    assert stage.items_of(task, f"task.{kind}"), stage.history()


@step(r"([\w-]+) should cancel")
def _task_cancelled(stage: Stage, task: str) -> None:
    stage.ended()
    assert stage.items_of(task, "task.cancelled"), stage.history()


@step(r"([\w-]+) should complete(?: with output:)?")
def _task_completed(stage: Stage, task: str, *block: str) -> None:
    stage.ended()
    found = stage.items_of(task, "task.completed")
    assert found, stage.history()
    if block:
        assert found[-1]["data"]["output"] == value_of(block[0]), found


@step(r"([\w-]+) should fault(?: with error:)?")
def _task_faulted(stage: Stage, task: str, *block: str) -> None:
    stage.ended()
    found = stage.items_of(task, "task.faulted")
    assert found, stage.history()
    if block:
        assert contains(found[-1]["data"]["error"], value_of(block[0])), found


@step(r"the service should have been asked '([^']+)' (\d+) times?")
def _asked(stage: Stage, path: str, count: str) -> None:
    stage.ended()
    assert stage.world.times_asked(path) == int(count), [request.target for request in stage.world.asked]


@step(r"the service should have been sent the header '([^']+)' on '([^']+)':")
def _sent(stage: Stage, name: str, path: str, pattern: str) -> None:
    """The last request to the path; the pattern is a regular expression of the whole value."""
    stage.ended()
    value = stage.world.last_asked(path).headers.get(name.lower(), "")
    assert re.fullmatch(pattern.strip(), value), value


@step(r"neither the run nor its history should hold '([^']+)'")
def _kept_nowhere(stage: Stage, text: str) -> None:
    assert text not in msgspec.json.encode([stage.ended(), stage.history()]).decode()


@step(r"the workflow should take at least (\d+) milliseconds")
def _takes_at_least(stage: Stage, limit: str) -> None:
    stage.ended()
    assert (stage.ended_at - stage.started_at) * 1000 >= int(limit)


@step(r"the workflow should take at most (\d+) milliseconds")
def _takes_at_most(stage: Stage, limit: str) -> None:
    stage.ended()
    assert (stage.ended_at - stage.started_at) * 1000 <= int(limit)
