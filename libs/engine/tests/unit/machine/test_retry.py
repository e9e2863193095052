"""A faulted run goes on from the task that failed; what completed stays completed."""

import msgspec

from simulation.session import Session, compiled
from visapi_common.contracts.problems import ERROR_BASE, WorkflowError
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.events import EngineFailed
from visapi_engine.machine.plan import make_plan
from visapi_engine.machine.resumption import misfits, takes_input
from visapi_engine.machine.state import ResumePoint, decode_state

THREE = "do: [{a: {call: acme.a}}, {b: {call: acme.b, with: {n: '${ . }'}}}, {c: {set: {got: '${ . }'}}}]"


def faulted(source: str, *completed: str) -> Session:
    """A run whose last named task faulted, the ones before it completed."""
    run = Session(source)
    run.start({"n": 1})
    for path in completed[:-1]:
        run.complete(path, path)
    run.fault(completed[-1])
    return run


def point(run: Session) -> ResumePoint | None:
    assert run.state is not None
    return decode_state(run.state).resume


def test_the_failed_call_is_asked_again_as_the_next_attempt_and_nothing_else_is() -> None:
    run = faulted(THREE, "/do/0/a", "/do/1/b")
    assert run.status() is RunStatus.FAULTED
    assert run.retry() == 'call /do/1/b acme.b {"n":"/do/0/a"} (attempt 2)\nthe run is running'
    run.complete("/do/1/b", 2)
    assert (run.status(), run.output) == (RunStatus.COMPLETED, {"got": 2})
    assert [call.path for call in run.calls] == ["/do/0/a", "/do/1/b", "/do/1/b"]
    assert run.words()[-8:] == [
        "workflow.faulted",
        "workflow.resumed",
        "task.retried /do/1/b",
        "task.completed /do/1/b",
        "task.created /do/2/c",
        "task.started /do/2/c",
        "task.completed /do/2/c",
        "workflow.completed",
    ]
    assert run.replayed() == run.state


def test_a_result_of_the_attempt_that_failed_is_stale_after_a_retry() -> None:
    run = faulted(THREE, "/do/0/a", "/do/1/b")
    run.retry()
    run.complete("/do/1/b", "late", attempt=1)
    assert run.noted() == "attempt 1 of /do/1/b is over, attempt 2 is open"


def test_a_run_may_fail_and_be_retried_again_and_again() -> None:
    run = faulted(THREE, "/do/0/a", "/do/1/b")
    for attempt in (2, 3, 4):
        run.retry()
        assert run.attempt("/do/1/b") == attempt
        run.fault("/do/1/b")
    run.retry()
    run.complete("/do/1/b", 7)
    assert run.output == {"got": 7}


def test_an_attempt_that_took_too_long_has_its_whole_time_again() -> None:
    run = Session(
        "do: [{all: {try: [{a: {call: acme.a}}], catch: {errors: {with: {status: 503}},"
        " retry: {limit: {attempt: {count: 1, duration: PT10S}}}}}}]"
    )
    run.start()
    run.fire_next()
    assert run.status() is RunStatus.FAULTED
    run.pass_time(60)
    run.retry()
    assert run.timers == {"/do/0/all#attempt": run.now + 10_000}
    assert run.calls[-1].deadline_ms == run.now + 10_000


def test_another_input_makes_other_arguments_under_the_next_attempt() -> None:
    run = faulted(THREE, "/do/0/a", "/do/1/b")
    assert (
        run.retry({"mended": True})
        == 'call /do/1/b acme.b {"n":{"mended":true}} (attempt 2)\nthe run is running'
    )
    run.fault("/do/1/b")
    run.retry()
    assert run.attempt("/do/1/b") == 3


def test_a_run_that_did_not_fault_has_nothing_to_retry() -> None:
    run = Session(THREE)
    run.start()
    assert run.retry() == "noted: the run has not faulted"
    run.complete("/do/0/a")
    run.complete("/do/1/b")
    assert run.retry() == "noted: the run is completed"


def test_the_iteration_that_failed_is_the_one_that_goes_on() -> None:
    run = Session(
        "do: [{each: {for: {in: '${ [10, 20, 30] }'}, do: [{ask: {call: acme.ask, with: {i: '${ $item }'}}}]}}]"
    )
    run.start()
    run.complete("/do/0/each/do/0/ask", 1)
    run.fault("/do/0/each/do/0/ask@0.1")
    assert 'call /do/0/each/do/0/ask@0.1 acme.ask {"i":20} (attempt 2)' in run.retry()
    run.complete("/do/0/each/do/0/ask@0.1", 2)
    run.complete("/do/0/each/do/0/ask@0.2", 3)
    assert (run.status(), run.output) == (RunStatus.COMPLETED, 3)


def test_branches_that_the_failure_cancelled_are_asked_again_and_finished_ones_are_not() -> None:
    run = Session(
        "do: [{all: {fork: {branches: [{a: {call: acme.a}}, {b: {call: acme.b}}, {c: {call: acme.c}}]}}}]"
    )
    run.start()
    run.complete("/do/0/all/fork/branches/0/a", "a")
    run.fault("/do/0/all/fork/branches/1/b")
    asked = run.retry().splitlines()
    assert [line.split()[1].rpartition("/")[2] for line in asked if line.startswith("call")] == ["b", "c"]
    run.complete("/do/0/all/fork/branches/1/b", "b")
    run.complete("/do/0/all/fork/branches/2/c", "c")
    assert run.output == ["a", "b", "c"]


def test_after_a_retry_an_exhausted_block_still_catches_what_it_would_have_caught() -> None:
    run = Session(
        "do: [{guarded: {try: [{a: {call: acme.a}}, {b: {call: acme.b}}],"
        " catch: {errors: {with: {status: 503}}, retry: {limit: {attempt: {count: 1}}}}}}]"
    )
    run.start()
    run.complete("/do/0/guarded/try/0/a", "a")
    run.fault("/do/0/guarded/try/1/b")
    run.fault("/do/0/guarded/try/1/b")
    assert run.status() is RunStatus.FAULTED
    run.retry()
    assert run.attempt("/do/0/guarded/try/1/b") == 3
    run.complete("/do/0/guarded/try/1/b", "b")
    assert (run.status(), run.output) == (RunStatus.COMPLETED, "b")
    assert [call.path for call in run.calls].count("/do/0/guarded/try/0/a") == 1


def test_a_child_that_had_ended_well_is_no_hindrance() -> None:
    source = (
        "do: [{child: {run: {workflow: {namespace: a, name: b, version: '1.0.0'}}}}, {ask: {call: acme.ask}}]"
    )
    run = Session(source)
    run.start()
    run.child_completed("/do/0/child", 5)
    run.fault("/do/1/ask")
    run.retry()
    run.complete("/do/1/ask", 1)
    assert (run.status(), len(run.started)) == (RunStatus.COMPLETED, 1)


def test_results_that_a_suspended_run_had_not_acted_on_forbid_the_retry() -> None:
    run = Session("do: [{all: {fork: {branches: [{a: {call: acme.a}}, {b: {call: acme.b}}]}}}]")
    run.start()
    run.suspend()
    run.fault("/do/0/all/fork/branches/1/b")
    run.complete("/do/0/all/fork/branches/0/a", "done")
    run.resume()
    assert (run.status(), point(run)) == (RunStatus.FAULTED, None)


def test_what_fails_while_a_run_is_taken_up_leaves_it_retryable_with_its_error() -> None:
    run = faulted(THREE, "/do/0/a", "/do/1/b")
    error = WorkflowError(type=ERROR_BASE + "runtime", status=500, title="Unreadable input")
    run.tell(EngineFailed(run.now, run.run, msgspec.json.encode(error)))
    assert (run.status(), run.error) == (RunStatus.FAULTED, error)
    run.retry()
    run.complete("/do/1/b", 1)
    assert run.status() is RunStatus.COMPLETED


def test_a_timeout_that_was_over_has_its_whole_time_again() -> None:
    run = Session("do: [{ask: {call: acme.ask, timeout: {after: {seconds: 10}}}}]")
    run.start()
    run.pass_time(10)
    run.fire("/do/0/ask#timeout")
    assert run.status() is RunStatus.FAULTED
    run.pass_time(3600)
    assert "timer /do/0/ask#timeout at noon+3620s" in run.retry()
    run.complete("/do/0/ask", 1)
    assert run.output == 1


def test_a_timeout_of_the_whole_workflow_leaves_what_was_under_way_to_be_asked_again() -> None:
    run = Session("timeout: {after: {seconds: 5}}\ndo: [{a: {wait: {seconds: 3}}}, {ask: {call: acme.ask}}]")
    run.start()
    run.fire_next()
    run.pass_time(5)
    run.fire("#timeout")
    assert run.status() is RunStatus.FAULTED
    run.retry()
    run.complete("/do/1/ask", 1)
    assert run.status() is RunStatus.COMPLETED


def test_what_follows_the_body_is_done_again_without_asking_again() -> None:
    source = "do: [{ask: {call: acme.ask, output: {as: '${ .points + 1 }'}}}]"
    run = Session(source)
    run.start()
    run.complete("/do/0/ask", {"points": "many"})
    assert run.status() is RunStatus.FAULTED
    mended = compiled(source.replace(".points + 1", ".points"))
    run.plan, run.compiled = make_plan(mended.program), mended
    run.evaluate = Session(mended).evaluate
    assert run.retry() == "the run is completed"
    assert (run.output, len(run.calls)) == ("many", 1)


def test_a_listener_listens_again_and_a_wait_goes_on() -> None:
    run = Session(
        "do: [{all: {fork: {branches: [{hear: {listen: {to: {one: {with: {type: go}}}}}},"
        " {rest: {wait: {seconds: 60}}}, {ask: {call: acme.ask}}]}}}]"
    )
    run.start({"n": 1})
    run.fault("/do/0/all/fork/branches/2/ask")
    told = run.retry()
    assert "subscribe /do/0/all/fork/branches/0/hear" in told
    assert "timer /do/0/all/fork/branches/1/rest#wait at noon+60s" in told
    run.complete("/do/0/all/fork/branches/2/ask", 1)
    run.arrive("go", 2)
    run.fire_next()
    assert run.output == [[2], {"n": 1}, 1]


def test_a_loop_whose_own_condition_failed_cannot_go_on() -> None:
    run = Session(
        "do: [{each: {for: {in: '${ [1, 2] }'}, while: '${ if $index == 1 then error else true end }',"
        " do: [{ask: {call: acme.ask}}]}}]"
    )
    run.start()
    run.complete("/do/0/each/do/0/ask", 1)
    assert (run.status(), point(run)) == (RunStatus.FAULTED, None)


def test_an_uncertain_effect_beside_the_failure_forbids_the_retry() -> None:
    run = Session("do: [{all: {fork: {branches: [{a: {call: acme.a}}, {b: {call: acme.b}}]}}}]")
    run.start()
    run.doubt("/do/0/all/fork/branches/0/a")
    run.fault("/do/0/all/fork/branches/1/b")
    assert point(run) is None


def test_a_newer_definition_fits_when_what_is_open_is_still_there() -> None:
    run = faulted(THREE, "/do/0/a", "/do/1/b")
    open_now = point(run)
    assert open_now is not None
    assert takes_input(run.plan, open_now)
    longer = make_plan(compiled(THREE[:-1] + ", {d: {set: {x: 1}}}]").program)
    assert misfits(run.plan, longer, open_now) == []
    renamed = make_plan(compiled(THREE.replace("{b:", "{z:")).program)
    assert misfits(run.plan, renamed, open_now) == ["/do/1/b is not there"]
    other = make_plan(compiled(THREE.replace("{call: acme.b, with: {n: '${ . }'}}", "{set: {x: 1}}")).program)
    assert misfits(run.plan, other, open_now) == ["/do/1/b is another construct"]
    elsewhere = make_plan(compiled(THREE.replace("call: acme.b", "call: acme.z")).program)
    assert misfits(run.plan, elsewhere, open_now) == ["/do/1/b calls another function"]
