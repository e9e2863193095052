"""What people do to a run: cancel, suspend, resume, decide about an uncertain effect."""

import msgspec

from simulation.session import Session
from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.problems import ERROR_BASE, WorkflowError
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.commands import HoldTask
from visapi_engine.machine.events import TaskUncertain

TWO = "do: [{first: {call: acme.first}}, {second: {call: acme.second}}, {pause: {wait: PT5S}}]"


def test_cancelling_drops_everything_open() -> None:
    run = Session("""
timeout: {after: PT1H}
do:
  - both: {fork: {branches: [{a: {call: acme.a}}, {b: {wait: PT5S}}]}}
""")
    run.start()
    assert run.cancel() == (
        "untimer /do/0/both/fork/branches/1/b#wait\ncancel /do/0/both/fork/branches/0/a\n"
        "untimer #timeout\nthe run is cancelled"
    )
    assert run.words()[-4:] == [
        "task.cancelled /do/0/both/fork/branches/1/b",
        "task.cancelled /do/0/both/fork/branches/0/a",
        "task.cancelled /do/0/both",
        "workflow.cancelled",
    ]
    assert run.entries[-1].data == {"actor": "operator", "reason": "no longer needed"}


def test_a_suspended_run_records_results_and_issues_nothing() -> None:
    run = Session(TWO)
    run.start()
    assert run.suspend() == "the run is suspended"
    assert run.complete("/do/0/first", "one") == "drop /do/0/first\nthe run is suspended"
    assert run.complete("/do/0/first", "two", attempt=1) == (
        "noted: the outcome of /do/0/first is recorded already"
    )
    run.pass_time(60)
    assert run.resume() == "drop /do/0/first\ncall /do/1/second acme.second {}\nthe run is running"
    assert "workflow.suspended" in run.words()
    assert run.replayed() == run.state


def test_a_timer_that_fires_meanwhile_counts_when_the_run_is_resumed() -> None:
    run = Session("do: [{pause: {wait: PT5S}}]")
    run.start({"kept": 1})
    run.suspend()
    run.pass_time(5)
    assert run.fire("/do/0/pause#wait") == "untimer /do/0/pause#wait\nthe run is suspended"
    assert run.fire("/do/0/pause#wait") == "noted: the timer /do/0/pause#wait is recorded already"
    run.resume()
    assert run.output == {"kept": 1}


def test_a_suspended_run_holds_an_uncertain_task_with_the_reason_that_its_worker_gave() -> None:
    run = Session(TWO)
    run.start()
    run.suspend()
    error = WorkflowError(type=ERROR_BASE + "communication", status=504, title="No answer")
    run.tell(TaskUncertain(run.now, "/do/0/first", 1, msgspec.json.encode(error)))
    held = run.tasks["/do/0/first"]
    assert isinstance(held, HoldTask)
    assert held.detail == "No answer"


def test_suspending_twice_and_resuming_a_running_run_change_nothing() -> None:
    run = Session(TWO)
    run.start()
    assert run.resume() == "noted: the run is not suspended"
    run.suspend()
    assert run.suspend() == "noted: the run is suspended already"


def test_a_suspended_run_can_be_cancelled() -> None:
    run = Session(TWO)
    run.start()
    run.suspend()
    run.complete("/do/0/first")
    run.cancel()
    assert run.status() is RunStatus.CANCELLED
    assert run.resume() == "noted: the run is cancelled"


def test_an_uncertain_effect_is_held_until_somebody_decides() -> None:
    run = Session(TWO)
    run.start()
    assert run.doubt("/do/0/first") == "hold /do/0/first\nthe run is waiting"
    assert run.doubt("/do/0/first") == "noted: /do/0/first is known to be uncertain"
    assert run.resolve("/do/0/first", Decision.HAPPENED, "one") == (
        "drop /do/0/first\ncall /do/1/second acme.second {}\nthe run is running"
    )
    assert run.words()[3:6] == [
        "task.suspended /do/0/first",
        "task.resumed /do/0/first",
        "task.completed /do/0/first",
    ]


def test_an_uncertain_effect_may_be_repeated_under_the_same_path() -> None:
    run = Session("do: [{first: {call: acme.first, with: {n: '${ .n }'}}}]")
    run.start({"n": 3})
    run.doubt("/do/0/first")
    assert run.resolve("/do/0/first", Decision.RETRY) == (
        'call /do/0/first acme.first {"n":3} (attempt 2)\nthe run is running'
    )
    assert [call.on_uncertain for call in run.calls] == ["hold", "retry"], (
        "the worker is told of the decision"
    )
    assert run.complete("/do/0/first", "late", attempt=1).startswith("noted: attempt 1")


def test_an_uncertain_effect_may_be_taken_for_failed() -> None:
    run = Session(TWO)
    run.start()
    run.doubt("/do/0/first")
    run.resolve("/do/0/first", Decision.FAULT)
    assert run.error is not None
    assert (run.error.title, run.error.instance) == ("Outcome uncertain", "/do/0/first")


def test_a_result_that_arrives_after_all_settles_an_uncertain_effect() -> None:
    run = Session(TWO)
    run.start()
    run.doubt("/do/0/first")
    run.complete("/do/0/first", "one", attempt=1)
    assert run.resolve("/do/0/first", Decision.RETRY) == "noted: no task is open at /do/0/first"


def test_a_decision_about_a_certain_task_changes_nothing() -> None:
    run = Session(TWO)
    run.start()
    assert run.resolve("/do/0/first", Decision.RETRY) == "noted: /do/0/first is not uncertain"


def test_a_task_may_ask_to_be_repeated_when_uncertain() -> None:
    run = Session("do: [{first: {call: acme.first, metadata: {visapi: {onUncertain: retry}}}}]")
    run.start()
    assert run.doubt("/do/0/first") == "call /do/0/first acme.first {} (attempt 2)\nthe run is running"


def test_a_suspended_run_holds_a_doubt_and_takes_the_decision_when_resumed() -> None:
    run = Session(TWO)
    run.start()
    run.suspend()
    assert run.doubt("/do/0/first") == "hold /do/0/first\nthe run is suspended"
    assert run.resolve("/do/0/first", Decision.HAPPENED, "one") == "the run is suspended"
    run.resume()
    assert run.tasks.keys() == {"/do/1/second"}


def test_an_abandoned_run_faults_and_leaves_nothing_open() -> None:
    from visapi_engine.machine.events import EngineFailed

    run = Session("timeout: {after: PT1H}\n" + TWO)
    run.start()
    error = b'{"type":"https://x/errors/runtime","status":500,"title":"Gave up"}'
    assert run.tell(EngineFailed(run.now, run.run, error)) == (
        "cancel /do/0/first\nuntimer #timeout\nthe run is faulted"
    )
    assert run.words()[-2:] == ["task.cancelled /do/0/first", "workflow.faulted"]
