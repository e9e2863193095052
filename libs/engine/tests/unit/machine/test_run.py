"""`run: workflow`: children of a run."""

from uuid import UUID

from simulation.session import NOON, RUN, Session, compiled
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.ids import time_ms_of
from visapi_engine.expressions.evaluate import build_evaluator
from visapi_engine.machine.commands import StartRun
from visapi_engine.machine.events import ChildEnded, RetryRequested, Started
from visapi_engine.machine.plan import make_plan
from visapi_engine.process.fold import fold
from visapi_engine.process.protocol import Work

CHILD = (
    "do: [{sub: {run: {workflow: {namespace: other, name: child, version: '1.2.0', input: {n: '${ .n }'}}}}}]"
)
PATH = "/do/0/sub"


def test_a_child_is_started_with_its_input_and_its_output_is_the_tasks() -> None:
    run = Session(CHILD)
    assert run.start({"n": 1}) == f'run {PATH} other/child 1.2.0 {{"n":1}}\nthe run is running'
    assert run.child_completed(PATH, {"m": 2}) == f"drop run {PATH}\nthe run is completed"
    assert run.output == {"m": 2}


def test_a_childs_id_is_a_uuid7_with_the_time_of_its_parent_and_always_the_same() -> None:
    ids: set[str] = set()
    for _ in range(2):
        run = Session(CHILD)
        run.start({})
        ids.add(run.children[PATH].child)
    (child,) = ids
    assert UUID(child).version == 7
    assert time_ms_of(UUID(child)) == time_ms_of(UUID(RUN))


def test_an_error_of_a_child_is_the_tasks_and_can_be_caught() -> None:
    run = Session(CHILD)
    run.start({})
    run.child_faulted(PATH)
    assert run.error is not None
    assert (run.error.title, run.error.instance) == ("It failed", PATH)


def test_a_cancelled_child_faults_its_task() -> None:
    run = Session(CHILD)
    run.start({})
    run.tell(ChildEnded(run.now, PATH, run.children[PATH].child, RunStatus.CANCELLED))
    assert run.error is not None
    assert run.error.title == "Child run cancelled"


def test_the_end_of_another_child_is_of_no_concern() -> None:
    run = Session(CHILD)
    run.start({})
    assert run.tell(ChildEnded(run.now, PATH, RUN, RunStatus.COMPLETED)).startswith("noted")


def test_a_child_that_is_not_awaited_is_left_to_itself() -> None:
    run = Session("do: [{sub: {run: {await: false, workflow: {namespace: o, name: c}}}}]")
    assert run.start({"n": 1}) == f'run {PATH} o/c latest {{"n":1}}\nthe run is completed'
    assert run.output == {"n": 1}


def test_return_none_gives_no_output() -> None:
    run = Session("do: [{sub: {run: {return: none, workflow: {namespace: o, name: c}}}}]")
    run.start({})
    run.child_completed(PATH, 1)
    assert run.output is None


def test_cancelling_a_run_cancels_its_children() -> None:
    run = Session(CHILD)
    run.start({})
    assert run.cancel() == f"cancel run {PATH}\nthe run is cancelled"


def test_a_timeout_cancels_the_child() -> None:
    run = Session(CHILD.replace("sub: {", "sub: {timeout: {after: {seconds: 1}}, "))
    run.start({})
    assert f"cancel run {PATH}" in run.fire_next()
    assert run.error is not None
    assert run.error.status == 408


def test_in_a_retried_block_a_completed_child_is_not_run_again_and_a_failed_one_is_anew() -> None:
    run = Session("""
do:
  - block:
      try:
        - good: {run: {workflow: {namespace: o, name: good}}}
        - bad: {run: {workflow: {namespace: o, name: bad}}}
      catch: {retry: {limit: {attempt: {count: 2}}}}
""")
    run.start({})
    run.child_completed("/do/0/block/try/0/good", 1)
    first = run.children["/do/0/block/try/1/bad"].child
    run.child_faulted("/do/0/block/try/1/bad")
    assert list(run.children) == ["/do/0/block/try/1/bad"]
    assert run.children["/do/0/block/try/1/bad"].child != first
    run.child_completed("/do/0/block/try/1/bad", 2)
    assert run.output == 2
    assert [start.name for start in run.started] == ["good", "bad", "bad"]


def test_the_end_of_a_child_is_kept_while_the_parent_is_suspended() -> None:
    run = Session(CHILD)
    run.start({})
    run.suspend()
    run.child_completed(PATH, 5)
    assert run.status() is RunStatus.SUSPENDED
    run.resume()
    assert run.output == 5


def test_a_retried_run_has_its_child_go_on_and_takes_what_it_gives_then() -> None:
    run = Session(CHILD)
    run.start({"n": 1})
    child = run.children[PATH].child
    run.child_faulted(PATH)
    assert run.status() is RunStatus.FAULTED
    assert run.retry() == f"retry run {PATH}\nthe run is running"
    assert run.children[PATH].child == child
    run.child_completed(PATH, 7)
    assert (run.status(), run.output) == (RunStatus.COMPLETED, 7)
    assert [start.child for start in run.started] == [child]
    assert run.replayed() == run.state


def test_a_child_may_fail_again_and_its_parent_be_retried_again() -> None:
    run = Session(CHILD)
    run.start({})
    for _ in range(3):
        run.child_faulted(PATH)
        run.retry()
    run.child_completed(PATH, 7)
    assert run.output == 7


BESIDE = """
do:
  - both:
      fork:
        branches:
          - one: {run: {workflow: {namespace: o, name: one, version: '1.0.0'}}}
          - two: {run: {workflow: {namespace: o, name: two, version: '1.0.0'}}}
          - three: {call: acme.a}
"""
ONE, TWO, THREE = (f"/do/0/both/fork/branches/{at}/{name}" for at, name in enumerate(("one", "two", "three")))


def test_children_that_were_cancelled_beside_a_failure_go_on_too() -> None:
    run = Session(BESIDE)
    run.start({})
    run.child_faulted(ONE)
    assert not run.children
    told = run.retry()
    assert f"retry run {ONE}" in told
    assert f"retry run {TWO}" in told
    assert f"call {THREE} acme.a" in told
    run.child_completed(TWO, 2)
    run.complete(THREE, 3)
    run.child_completed(ONE, 1)
    assert run.output == [1, 2, 3]


def test_a_child_that_did_well_meanwhile_is_no_longer_waited_for() -> None:
    run = Session(BESIDE)
    run.start({})
    run.child_completed(TWO, 2)
    run.child_faulted(ONE)
    assert f"run {TWO}" not in run.retry()


TWO_CALLS = "do: [{first: {call: acme.a}}, {second: {call: acme.b}}]"


def test_a_run_that_its_parent_cancelled_goes_on_where_it_stood() -> None:
    run = Session(TWO_CALLS)
    run.start({})
    run.complete("/do/0/first", 1)
    run.cancel(by_parent=True)
    assert (run.status(), list(run.tasks)) == (RunStatus.CANCELLED, [])
    assert "call /do/1/second acme.b" in run.retry()
    run.complete("/do/1/second", 2)
    assert (run.status(), run.output) == (RunStatus.COMPLETED, 2)
    assert run.completed == {"/do/0/first": 1, "/do/1/second": 1}
    assert run.replayed() == run.state


def test_a_run_that_somebody_cancelled_stays_so() -> None:
    run = Session(TWO_CALLS)
    run.start({})
    run.cancel()
    assert run.retry() == "noted: the run is cancelled"


def test_a_run_that_was_cancelled_beside_an_effect_in_doubt_stays_so() -> None:
    run = Session(TWO_CALLS)
    run.start({})
    run.doubt("/do/0/first")
    run.cancel(by_parent=True)
    assert run.retry() == "noted: the run is cancelled"


def test_a_run_that_was_suspended_and_cancelled_stays_so() -> None:
    run = Session(TWO_CALLS)
    run.start({})
    run.suspend()
    run.cancel(by_parent=True)
    assert run.retry() == "noted: the run is cancelled"


def test_a_child_that_could_not_be_started_is_started_by_a_retry() -> None:
    run = Session(CHILD)
    run.start({"n": 1})
    run.child_unknown(PATH)
    assert run.status() is RunStatus.FAULTED
    assert run.retry() == f'run {PATH} other/child 1.2.0 {{"n":1}}\nthe run is running'
    assert len({start.child for start in run.started}) == 1
    run.child_completed(PATH, 7)
    assert run.output == 7


def test_an_end_from_before_the_child_was_asked_to_go_on_is_of_no_concern() -> None:
    run = Session(BESIDE)
    run.start({})
    run.child_faulted(ONE)
    run.retry()
    assert run.child_faulted(TWO, resume_count=0).startswith("noted: ")
    assert run.status() is RunStatus.RUNNING
    run.child_completed(TWO, 2)
    run.child_completed(ONE, 1)
    run.complete(THREE, 3)
    assert run.output == [1, 2, 3]


def test_a_run_that_goes_on_anyhow_remembers_that_its_parent_asked() -> None:
    run = Session(TWO_CALLS)
    run.start({})
    run.tell(RetryRequested(run.now, "run:p", resume_count=1))
    assert run.noted() is None
    assert run.tell(RetryRequested(run.now, "run:p", resume_count=1)).startswith("noted: ")
    run.cancel(by_parent=True)
    assert run.last is not None
    assert run.last.state.resume_count == 1
    run.tell(RetryRequested(run.now, "run:p", resume_count=2))
    assert (run.status(), run.last.state.resume_count) == (RunStatus.RUNNING, 2)


WANTED_AND_DROPPED = """
do:
  - both:
      fork:
        branches:
          - one: {run: {workflow: {namespace: o, name: one, version: '1.0.0'}}}
          - two: {set: {n: '${ .n | length / 0 }'}}
"""


def test_a_child_that_was_dropped_as_soon_as_it_was_wanted_is_started_by_a_retry() -> None:
    program = compiled(WANTED_AND_DROPPED)
    plan, evaluate = make_plan(program.program), build_evaluator(program.program)
    begun = fold(plan, evaluate, Work(UUID(RUN), "t", "p", 0, [Started(NOON, RUN, b'{"n":"x"}')]))
    assert (begun.status, begun.retryable) == (RunStatus.FAULTED, True)
    assert not [command for command in begun.commands if isinstance(command, StartRun)]
    mended = make_plan(compiled(WANTED_AND_DROPPED.replace("/ 0", "")).program)
    again = fold(
        mended, evaluate, Work(UUID(RUN), "t", "p", begun.seq, [RetryRequested(NOON, "a")], begun.state)
    )
    assert [type(command) for command in again.commands] == [StartRun]
