"""`do`, `set`, `call`: tasks one after another, data flowing through them."""

import pytest

from simulation.session import NOON, Session
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.events import Started, TaskCompleted, TaskFaulted

THREE = """
do:
  - score: {call: acme.score, with: {name: '${ .name }'}}
  - grade: {set: {grade: '${ if .points > 5 then "good" else "poor" end }'}}
  - tell: {call: acme.tell, with: {all: '${ . }'}}
"""


def test_each_task_gets_the_output_of_the_one_before() -> None:
    run = Session(THREE)
    assert run.start({"name": "Ann"}) == 'call /do/0/score acme.score {"name":"Ann"}\nthe run is running'
    assert run.complete("/do/0/score", {"points": 7}) == (
        'drop /do/0/score\ncall /do/2/tell acme.tell {"all":{"grade":"good"}}\nthe run is running'
    )
    assert run.complete("/do/2/tell", "told") == "drop /do/2/tell\nthe run is completed"
    assert run.output == "told"
    assert run.replayed() == run.state


def test_the_history_uses_the_words_of_the_specification() -> None:
    run = Session(THREE)
    run.start({"name": "Ann"})
    run.complete("/do/0/score", {"points": 7})
    run.complete("/do/2/tell", "told")
    assert run.words() == [
        "workflow.started",
        "task.created /do/0/score",
        "task.started /do/0/score",
        "task.completed /do/0/score",
        "task.created /do/1/grade",
        "task.started /do/1/grade",
        "task.completed /do/1/grade",
        "task.created /do/2/tell",
        "task.started /do/2/tell",
        "task.completed /do/2/tell",
        "workflow.completed",
    ]
    assert run.entries[3].data == {"output": {"points": 7}}
    assert run.entries[3].time_ms == NOON


def test_a_nested_do_gives_the_output_of_its_last_task() -> None:
    run = Session("""
do:
  - outer:
      do:
        - inner: {set: {deep: true}}
        - deeper: {do: [{last: {set: '${ {seen: .deep} }'}}]}
""")
    assert run.start() == "the run is completed"
    assert run.output == {"seen": True}


def test_a_second_result_for_the_same_attempt_changes_nothing() -> None:
    run = Session(THREE)
    run.start({"name": "Ann"})
    run.complete("/do/0/score", {"points": 7})
    assert run.complete("/do/0/score", {"points": 1}, attempt=1) == "noted: no task is open at /do/0/score"


def test_a_result_of_another_attempt_changes_nothing() -> None:
    run = Session(THREE)
    run.start({"name": "Ann"})
    assert run.complete("/do/0/score", 1, attempt=2) == (
        "noted: attempt 2 of /do/0/score is over, attempt 1 is open"
    )


def test_an_event_after_the_end_changes_nothing() -> None:
    run = Session("do: [{only: {set: {a: 1}}}]")
    run.start()
    assert run.complete("/do/0/only", attempt=1) == "noted: the run is completed"
    assert run.cancel() == "noted: the run is completed"


def test_a_second_start_changes_nothing() -> None:
    run = Session(THREE)
    run.start({"name": "Ann"})
    assert run.start({"name": "Bob"}) == "noted: the run has started already"


def test_a_task_whose_condition_does_not_hold_is_skipped_and_passes_its_input_on() -> None:
    run = Session("""
do:
  - never: {if: '${ .wanted }', call: acme.noop, then: end}
  - after: {set: '${ . }'}
""")
    run.start({"wanted": False})
    assert run.output == {"wanted": False}
    assert "task.skipped /do/0/never" in run.words()


def test_the_workflows_own_input_and_output_are_transformed_and_checked() -> None:
    run = Session("""
input:
  schema: {document: {type: object, required: [order]}}
  from: '${ .order }'
output: {as: '${ {id: .id} }'}
do:
  - keep: {set: '${ . + {more: 1} }'}
""")
    run.start({"order": {"id": 9}})
    assert run.output == {"id": 9}


def test_an_input_against_the_schema_faults_the_run_before_any_task() -> None:
    run = Session("""
input: {schema: {document: {type: object, required: [order]}}}
do: [{keep: {set: {a: 1}}}]
""")
    run.start({})
    assert run.status() is RunStatus.FAULTED
    assert run.error is not None
    assert (run.error.type.rpartition("/")[2], run.error.status, run.error.instance) == (
        "validation",
        400,
        None,
    )
    assert run.words() == ["workflow.started", "workflow.faulted"]


def test_a_tasks_input_output_and_export_are_transformed_in_the_specifications_order() -> None:
    run = Session("""
do:
  - fetch:
      input: {from: '${ .id }'}
      call: acme.fetch
      with: {id: '${ . }'}
      output: {as: '${ {name: .name, asked: $input} }'}
      export: {as: '${ {last: $output.name} }'}
  - use: {set: '${ {ctx: $context.last, got: .name, asked: .asked} }'}
""")
    assert run.start({"id": 5}).startswith('call /do/0/fetch acme.fetch {"id":5}')
    run.complete("/do/0/fetch", {"name": "Ann", "noise": 1})
    assert run.output == {"ctx": "Ann", "got": "Ann", "asked": 5}


def test_the_context_begins_as_the_workflows_transformed_input() -> None:
    run = Session("""
input: {from: '${ .wrapped }'}
do: [{a: {set: {x: 1}}}, {b: {set: '${ $context }'}}]
""")
    run.start({"wrapped": {"y": 2}})
    assert run.output == {"y": 2}


def test_an_output_against_its_schema_faults_the_task_at_its_pointer() -> None:
    run = Session("""
do:
  - fetch:
      call: acme.fetch
      output: {schema: {document: {type: string}}}
""")
    run.start()
    run.complete("/do/0/fetch", 5)
    assert run.error is not None
    assert run.error.instance == "/do/0/fetch"
    assert run.error.type.endswith("/validation")


def test_the_descriptors_of_run_and_task_can_be_read() -> None:
    run = Session("""
do:
  - look:
      input: {from: '${ {n: 1} }'}
      set: '${ {id: $workflow.id, start: $workflow.startedAt.epoch.milliseconds, in: $workflow.input, task: $task.name, ref: $task.reference, raw: $task.input} }'
""")
    run.start({"a": 1})
    assert run.output == {
        "id": run.run, "start": NOON, "in": {"a": 1}, "task": "look", "ref": "/do/0/look", "raw": {"a": 1}
    }  # fmt: skip


def test_a_failing_expression_is_an_error_of_its_task() -> None:
    run = Session("do: [{bad: {set: '${ .a + 1 }'}}]")
    run.start({"a": {}})
    assert run.error is not None
    assert (run.error.type.rpartition("/")[2], run.error.status, run.error.instance) == (
        "expression", 400, "/do/0/bad"
    )  # fmt: skip


@pytest.mark.parametrize("output", [b"{", b'"\xff"', b'"\\ud800"', b"1e400", b"[" * 5000 + b"]" * 5000, b""])
def test_an_output_that_is_no_json_faults_its_task(output: bytes) -> None:
    run = Session(THREE)
    run.start({"name": "Ann"})
    run.tell(TaskCompleted(NOON, "/do/0/score", 1, output))
    assert run.error is not None
    assert (run.error.title, run.error.instance) == ("Unreadable output", "/do/0/score")


@pytest.mark.parametrize(
    "error", [b"{", b"{}", b'{"type": "\xff", "status": 500}', b'{"type": 1, "status": 500}']
)
def test_an_error_that_is_no_error_object_is_a_runtime_error_of_its_task(error: bytes) -> None:
    run = Session(THREE)
    run.start({"name": "Ann"})
    run.tell(TaskFaulted(NOON, "/do/0/score", 1, error))
    assert run.error is not None
    assert (run.error.title, run.error.instance) == ("Unreadable error", "/do/0/score")


def test_an_input_that_is_no_json_faults_the_run() -> None:
    run = Session(THREE)
    run.tell(Started(NOON, run.run, b'{"a": "\xff"}'))
    assert run.error is not None
    assert run.error.title == "Unreadable input"


def test_large_integers_keep_all_their_digits() -> None:
    run = Session("do: [{keep: {call: acme.noop, with: {n: '${ .n }'}}}]")
    run.tell(Started(NOON, run.run, b'{"n": 123456789012345678901234567890}'))
    assert run.calls[0].arguments == b'{"n":123456789012345678901234567890}'


def test_expressions_in_input_data_are_never_evaluated() -> None:
    run = Session("do: [{keep: {set: {got: '${ .text }'}}}]")
    run.start({"text": "${ 1 + 1 }"})
    assert run.output == {"got": "${ 1 + 1 }"}
