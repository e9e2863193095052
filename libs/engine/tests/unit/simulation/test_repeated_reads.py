"""A simulation does reads again in a retried block, and remembers effects, as a run does."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from visapi_common.contracts.runs import RunStatus
from visapi_common.contracts.simulation import SimulateWorkflow, Simulation
from visapi_common.contracts.task_messages import EffectClass, FunctionSpec
from visapi_engine.compile.compiler import compile_definition
from visapi_engine.process.protocol import Simulate
from visapi_engine.process.simulating import simulated
from visapi_engine.simulation.request import read_request

DOCUMENT = "document: {dsl: '1.0.3', namespace: test, name: dry, version: '1.0.0'}\n"
POLL = """
do:
  - poll:
      try:
        - look: {call: acme.look}
        - ready: {if: '${ . != "ready" }', raise: {error: {type: 'https://a.example/not-ready', status: 409}}}
      catch: {retry: {delay: PT1S, limit: {attempt: {count: 5}}}}
"""
GIVEN = {"look": [{"output": "busy"}, {"output": "ready"}]}


def simulate(announced: dict[str, FunctionSpec]) -> Simulation:
    made = compile_definition((DOCUMENT + POLL).encode(), "application/yaml", announced)
    asked: dict[str, Any] = {"workflow": None, "given": GIVEN}
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    wanted = read_request(made.program, msgspec.convert(asked, SimulateWorkflow), now, reads=made.reads)
    return msgspec.json.decode(simulated(Simulate(made.body, wanted)).body, type=Simulation)


def test_a_read_is_answered_anew() -> None:
    done = simulate({"acme.look": FunctionSpec("acme.look", effect=EffectClass.NONE)})
    assert (done.status, done.output, done.unused) == (RunStatus.COMPLETED, "ready", [])


def test_an_effect_is_remembered() -> None:
    done = simulate({})
    assert (done.status, done.unused) == (RunStatus.FAULTED, ["/given/look/1"])
