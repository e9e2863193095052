"""The machine's timer is the judge of a call's timeout: at its time, whatever the worker says just before."""

import pytest

from simulation.session import Session
from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.problems import ERROR_BASE
from visapi_common.contracts.runs import RunStatus

POST = "{call: http, with: {method: post, endpoint: 'https://a.example/'}"
PATH = "/do/0/slow"


def slow(call: str = "{call: acme.slow", timeout_s: int = 10) -> Session:
    run = Session(f"do: [{{slow: {call}, timeout: {{after: {{seconds: {timeout_s}}}}}}}}}]")
    run.start()
    return run


def timed_out(run: Session) -> bool:
    error = run.error
    return error is not None and (error.type, error.status, error.instance) == (
        ERROR_BASE + "timeout",
        408,
        PATH,
    )


def test_an_answer_in_the_last_moment_counts() -> None:
    run = slow()
    run.pass_time(9.999)
    run.complete(PATH, "in time")
    assert run.output == "in time"


@pytest.mark.parametrize("before_s", [1.0, 0.5, 0.0, -0.2])
def test_a_worker_that_has_run_out_of_time_leaves_the_error_to_the_timer(before_s: float) -> None:
    run = slow()
    run.pass_time(10 - before_s)
    assert run.fault(PATH, 408, "timeout") == f"noted: the time of {PATH} is over: its timer says so"
    assert run.status() is RunStatus.RUNNING
    run.fire_next()
    assert timed_out(run)


def test_a_worker_with_a_timeout_of_its_own_that_is_shorter_fails_at_once() -> None:
    run = slow(timeout_s=60)
    run.pass_time(30)
    run.fault(PATH, 408, "timeout")
    assert timed_out(run)


def test_another_failure_just_before_the_timeout_is_that_failure() -> None:
    run = slow()
    run.pass_time(9.9)
    run.fault(PATH, 503)
    assert run.error is not None
    assert (run.error.type, run.error.status) == (ERROR_BASE + "communication", 503)


def test_a_failure_that_comes_after_the_time_is_the_timeout() -> None:
    run = slow()
    run.pass_time(10.1)
    run.fault(PATH, 504)
    run.fire_next()
    assert timed_out(run)


def test_the_timeout_of_the_block_around_is_raised_by_the_block() -> None:
    run = Session("""
do:
  - block:
      timeout: {after: PT10S}
      do:
        - t:
            try: [{slow: {call: acme.slow}}]
            catch: {errors: {with: {status: 408}}, do: [{say: {set: {caught: true}}}]}
""")
    run.start()
    run.pass_time(9.99)
    assert run.fault("/do/0/block/do/0/t/try/0/slow", 408, "timeout").startswith("noted")
    run.fire_next()
    assert run.error is not None
    assert (run.error.status, run.error.instance) == (408, "/do/0/block")


def test_an_effect_of_unknown_outcome_is_held_and_the_timeout_is_raised_at_its_time() -> None:
    run = slow(POST)
    run.pass_time(9.99)
    assert run.doubt(PATH).startswith(f"hold {PATH}")
    run.fire_next()
    assert timed_out(run)
    assert run.error is not None
    assert "may have happened all the same" in (run.error.detail or "")


def test_a_held_effect_that_timed_out_is_not_resolved_any_more() -> None:
    run = Session(f"""
do:
  - t:
      try: [{{slow: {POST}, timeout: {{after: PT10S}}}}}}]
      catch: {{errors: {{with: {{status: 408}}}}, do: [{{w: {{wait: PT1H}}}}]}}
""")
    run.start()
    run.doubt("/do/0/t/try/0/slow")
    run.fire_next()
    assert run.resolve("/do/0/t/try/0/slow", Decision.RETRY).startswith("noted: no task is open")


def test_nothing_is_repeated_in_the_last_moment() -> None:
    run = slow(POST + ", metadata: {visapi: {onUncertain: retry}}")
    run.pass_time(9.9)
    assert run.doubt(PATH).startswith("noted")
    assert len(run.calls) == 1
    run.fire_next()
    assert timed_out(run)


def test_a_failure_told_in_time_to_a_suspended_run_is_that_failure() -> None:
    run = slow()
    run.pass_time(5)
    run.suspend()
    run.fault(PATH, 503)
    run.pass_time(20)
    run.resume()
    assert run.error is not None
    assert run.error.status == 503
