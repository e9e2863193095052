"""Hostile expressions: each costs its own run one caught error, and nobody else anything."""

import asyncio
from typing import Any

import pytest

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant
from kit.forms import FULL

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

KIND = "https://open-workflow-specification.org/spec/1.0.0/errors/expression"
HOSTILE = {
    "endless-recursion": "def f: f; f",
    "deep-recursion": "def f(x): f(x + 1) + 1; f(0)",
    "nested-arrays": "def f: [f]; f",
    "large-array": "[range(1e9)]",
    "endless-range": "last(range(1e12))",
    "large-text": '"x" * 1e9',
    "text-by-steps": 'reduce range(1e9) as $i (""; . + "x")',
    "doubling": "[.] | until(false; . + .)",
    "repeat": "[limit(1e9; repeat(1))]",
    "regular-expression": '[range(1e6)] | map("a" * 2000 | test("(a+)+b"))',
    "gsub": '"a" * 3000000 | gsub("a"; "bb")',
    "combinations": "[range(300000)] | [combinations(3)]",
    "sort": "[range(5e7)] | sort_by(-.)",
    "paths": "[range(3e6)] | [paths]",
}
SHORT = ("endless-recursion", "endless-range", "large-text", "doubling", "regular-expression")
"""Those that end in different ways. The engine's test_hostile.py tries each kind in real engine processes."""
TASKS_AT_ONCE = 4


def document(name: str, expression: str) -> str:
    """A workflow that evaluates the expression and says which error it caught."""
    return f"""
document: {{dsl: '1.0.3', namespace: hostile, name: {name}, version: '1.0.0'}}
do:
  - attempt:
      try: [{{bad: {{set: {{x: '${{ {expression} }}'}}}}}}]
      catch:
        errors: {{with: {{type: {KIND}, status: 400}}}}
        do: [{{say: {{set: {{caught: '${{ $error.detail }}'}}}}}}]
"""


async def caught(attacker: Tenant, name: str) -> dict[str, Any]:
    target = await attacker.deploy(document(name, HOSTILE[name]))
    answer = await attacker.start(target, wait_s=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_each_is_caught_by_a_try_and_costs_nobody_else_anything(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    async with bystander.at_work("set", "hook", attack="hostile expressions of every kind"):
        for name in HOSTILE if FULL else SHORT:
            run = await caught(attacker, name)
            assert run["status"] == "completed", (name, run)
            assert "caught" in run["output"], (name, run)
    assert set(stack.restarts().values()) == {0}


async def test_many_runs_of_hostile_workflows_leave_room_for_others(
    stack: AttackStack, attacker: Tenant, bystander: Bystander
) -> None:
    names = ("endless-recursion", "nested-arrays", "large-text")
    targets = [await attacker.deploy(document(name, HOSTILE[name])) for name in names]

    async def attack(number: int) -> None:
        for _ in range(3):
            answer = await attacker.start(targets[number % len(targets)], wait_s=60)
            assert answer.json()["status"] == "completed", answer.text

    async with (
        bystander.at_work("set", attack="hostile expressions, several at once"),
        asyncio.TaskGroup() as group,
    ):
        for number in range(TASKS_AT_ONCE):
            group.create_task(attack(number))
    assert set(stack.restarts().values()) == {0}


@pytest.mark.full
async def test_a_run_that_does_nothing_else_is_ended(attacker: Tenant, bystander: Bystander) -> None:
    target = await attacker.deploy(
        f"""
document: {{dsl: '1.0.3', namespace: hostile, name: again-and-again, version: '1.0.0'}}
do:
  - attempt:
      try: [{{bad: {{set: {{x: '${{ def f: f; f }}'}}}}}}]
      catch: {{errors: {{with: {{type: {KIND}}}}}, do: [{{pause: {{wait: {{milliseconds: 10}}, then: exit}}}}]}}
  - again: {{set: {{n: 1}}, then: attempt}}
"""
    )
    async with bystander.at_work("set", attack="a loop of hostile expressions"):
        answer = await attacker.start(target, wait_s=60)
    run = answer.json()
    assert run["status"] == "faulted", run
    assert "exceeded their budget" in run["error"]["detail"]
