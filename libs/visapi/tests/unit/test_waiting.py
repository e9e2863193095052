"""What an open run waits for."""

from datetime import UTC, datetime, timedelta

import pytest

from visapi.cli.waiting import Definition, OpenTask, open_tasks
from visapi_common.contracts.runs import HistoryItem, TaskRef
from visapi_engine.compile.compiler import compile_definition

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SOURCE = b"""
document: {dsl: '1.0.3', namespace: tests, name: waits, version: '1.0.0'}
do:
  - pause: {wait: {seconds: 90}}
  - paid: {listen: {to: {any: [{with: {type: shop.paid}}, {with: {type: shop.voided}}]}}}
  - ask: {call: human.approve, with: {title: 'Pay?'}}
  - score: {call: acme.score, with: {income: 1}}
  - note: {set: {said: true}}
"""
PROGRAM = compile_definition(SOURCE, "application/yaml").program


def item(seq: int, kind: str, pointer: str) -> HistoryItem:
    task = TaskRef(pointer.rsplit("/", 1)[-1], pointer)
    return HistoryItem(seq=seq, type=kind, time=START + timedelta(seconds=seq), task=task)


def reason(pointer: str, *, after_s: float = 1, announced: set[str] | None = None) -> str | None:
    definition = Definition(PROGRAM, frozenset(announced or ()))
    [one] = open_tasks([item(0, "task.started", pointer)])
    return definition.reason(one, START + timedelta(seconds=after_s))


@pytest.mark.parametrize(
    ("pointer", "told"),
    [
        ("/do/0/pause", "a timer, until 2026-11-24 12:01:30 UTC"),
        ("/do/1/paid", "an event of type shop.paid or shop.voided"),
        ("/do/2/ask", "a decision; see `visapi approval list`"),
        ("/do/3/score", "a worker for acme.score; no worker has announced that function"),
        ("/do/4/note", None),
        ("/do/9/gone", None),
    ],
)
def test_each_kind_of_task_says_what_it_waits_for(pointer: str, told: str | None):
    assert reason(pointer) == told


def test_a_result_that_is_long_in_coming_raises_the_question_whether_its_worker_runs():
    assert reason("/do/3/score", announced={"acme.score"}) == "the result of acme.score"
    assert (
        reason("/do/3/score", after_s=11, announced={"acme.score"})
        == "the result of acme.score; is its worker running?"
    )


def test_a_step_that_only_began_is_not_called_waiting_for_its_result():
    definition = Definition(PROGRAM, frozenset({"acme.score"}))
    begun = OpenTask(TaskRef("score", "/do/3/score"), START)
    assert definition.reason(begun, START, begun=True) is None


def test_only_the_innermost_open_tasks_count_and_what_ended_does_not():
    items = [
        item(1, "task.started", "/do/0/loop"),
        item(2, "task.started", "/do/0/loop/do/0/a"),
        item(3, "task.completed", "/do/0/loop/do/0/a"),
        item(4, "task.started", "/do/0/loop/do/1/b"),
        item(5, "task.started", "/do/0/loop/do/1/b"),
        item(6, "task.completed", "/do/0/loop/do/1/b"),
    ]
    assert [(one.task.name, one.count) for one in open_tasks(items)] == [("b", 1)]


def test_a_held_effect_waits_for_a_person():
    items = [item(1, "task.started", "/do/3/score"), item(2, "task.suspended", "/do/3/score")]
    [held] = open_tasks(items)
    told = Definition(PROGRAM, None).reason(held, START)
    assert told == "a decision about an uncertain effect; see `visapi dead-letter list`"
