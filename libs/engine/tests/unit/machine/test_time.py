"""`wait` and timeouts: durable timers."""

import pytest

from simulation.session import NOON, Session
from visapi_common.contracts.runs import RunStatus

WAIT = "do: [{pause: {wait: {seconds: 10}}}, {after: {set: '${ . + {after: true} }'}}]"


def test_a_wait_is_a_timer_and_the_run_waits() -> None:
    run = Session(WAIT)
    assert run.start({"a": 1}) == "timer /do/0/pause#wait at noon+10s\nthe run is waiting"
    assert run.fire_next() == "untimer /do/0/pause#wait\nthe run is completed"
    assert run.output == {"a": 1, "after": True}


def test_a_timer_that_fires_early_changes_nothing_and_its_row_is_set_again() -> None:
    run = Session(WAIT)
    run.start()
    run.pass_time(9)
    assert run.fire("/do/0/pause#wait") == "noted: the timer /do/0/pause#wait is due in 1000 ms"
    assert run.last is not None
    assert [command.id for command in run.last.commands] == ["/do/0/pause#wait"]  # type: ignore[union-attr]


def test_a_timer_that_nothing_waits_for_is_noted_and_its_row_dropped() -> None:
    run = Session(WAIT)
    run.start()
    assert run.fire("/do/7/gone#wait") == "noted: nothing waits for the timer /do/7/gone#wait"
    assert run.last is not None
    assert [command.id for command in run.last.commands] == ["/do/7/gone#wait"]  # type: ignore[union-attr]


def test_a_wait_of_no_time_is_over_at_once() -> None:
    run = Session("do: [{pause: {wait: PT0S}}]")
    assert run.start() == "the run is completed"


TIMEOUT = """
do:
  - block:
      timeout: {after: {seconds: 5}}
      do: [{slow: {call: acme.slow}}]
"""


def test_a_task_that_takes_too_long_is_interrupted_with_a_408() -> None:
    run = Session(TIMEOUT)
    run.start()
    assert run.calls[0].deadline_ms == NOON + 5000
    assert run.fire_next() == "cancel /do/0/block/do/0/slow\nuntimer /do/0/block#timeout\nthe run is faulted"
    assert run.error is not None
    assert (run.error.type.rpartition("/")[2], run.error.status, run.error.instance) == (
        "timeout",
        408,
        "/do/0/block",
    )


def test_a_task_in_time_drops_its_timeout() -> None:
    run = Session(TIMEOUT)
    run.start()
    assert run.complete("/do/0/block/do/0/slow") == (
        "drop /do/0/block/do/0/slow\nuntimer /do/0/block#timeout\nthe run is completed"
    )
    assert run.fire("/do/0/block#timeout").startswith("noted")


def test_a_call_of_its_own_timeout_is_cancelled_and_its_late_result_noted() -> None:
    run = Session("""
do:
  - attempt:
      try: [{slow: {timeout: {after: PT2S}, call: acme.slow}}]
      catch: {errors: {with: {status: 408}}, do: [{say: {set: {caught: true}}}]}
  - later: {wait: PT1S}
""")
    run.start()
    path = "/do/0/attempt/try/0/slow"
    assert run.fire_next() == (
        f"cancel {path}\nuntimer {path}#timeout\ntimer /do/1/later#wait at noon+3s\nthe run is waiting"
    )
    assert run.complete(path, attempt=1).startswith("noted: no task is open")
    run.fire_next()
    assert run.output == {"caught": True}


def test_the_workflows_timeout_faults_the_run_and_nothing_catches_it() -> None:
    run = Session("""
timeout: {after: PT30S}
do:
  - attempt: {try: [{slow: {call: acme.slow}}], catch: {do: [{say: {set: {caught: true}}}]}}
""")
    assert run.start().splitlines()[0] == "timer #timeout at noon+30s"
    run.fire_next()
    assert run.status() is RunStatus.FAULTED
    assert run.error is not None
    assert (run.error.status, run.error.instance) == (408, None)


def test_the_deadline_of_a_call_is_the_earliest_around_it() -> None:
    run = Session("""
timeout: {after: PT30S}
do: [{block: {timeout: {after: PT10S}, do: [{slow: {timeout: {after: PT20S}, call: acme.slow}}]}}]
""")
    run.start()
    assert run.calls[0].deadline_ms == NOON + 10_000


def test_a_call_knows_its_own_timeout_beside_the_earliest_around_it() -> None:
    run = Session("""
timeout: {after: PT30S}
do: [{own: {timeout: {after: PT20S}, call: acme.slow}}]
""")
    run.start()
    assert (run.calls[0].own_deadline_ms, run.calls[0].deadline_ms) == (NOON + 20_000, NOON + 20_000)


def test_a_timeout_of_the_block_or_of_the_workflow_is_not_the_calls_own() -> None:
    run = Session("""
timeout: {after: PT30S}
do: [{block: {timeout: {after: PT10S}, do: [{slow: {call: acme.slow}}]}}]
""")
    run.start()
    assert (run.calls[0].own_deadline_ms, run.calls[0].deadline_ms) == (None, NOON + 10_000)


@pytest.mark.parametrize("arguments", ["", ", with: {a: 1}"])
def test_the_timeout_of_a_reusable_functions_call_is_its_tasks_own(arguments: str) -> None:
    run = Session(f"""
use: {{functions: {{slow: {{call: acme.slow, with: {{}}}}}}}}
do: [{{own: {{timeout: {{after: PT40S}}, call: slow{arguments}}}}}]
""")
    run.start()
    assert run.calls[0].own_deadline_ms == NOON + 40_000


def test_a_wait_in_a_retried_block_waits_again() -> None:
    run = Session("""
do:
  - attempt:
      try: [{pause: {wait: PT5S}}, {send: {call: acme.send}}]
      catch: {retry: {delay: PT1S}}
""")
    run.start()
    run.fire_next()
    run.fault("/do/0/attempt/try/1/send")
    assert run.fire_next() == (
        "untimer /do/0/attempt#retry\ntimer /do/0/attempt/try/0/pause#wait at noon+11s\nthe run is waiting"
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seconds": -1}, "whole number"),
        ({"seconds": 1.5}, "whole number"),
        ({"seconds": 1e300}, "whole number"),
        ({"seconds": True}, "whole number"),
        ({"seconds": None}, "whole number"),
        ({"seconds": "3"}, "whole number"),
        ({"days": 36526}, "36525"),
        ({"days": 36525, "seconds": 1}, "36525"),
        ({"months": 1}, '"months"'),
        ({"Seconds": 1}, '"Seconds"'),
        ({}, "PT30S"),
        ([], "PT30S"),
        (3, "PT30S"),
        (None, "PT30S"),
        ("P1Y", "years or months"),
        ("P1M", "years or months"),
        ("P", "ISO 8601"),
        ("PT", "ISO 8601"),
        ("-PT1S", "ISO 8601"),
        ("PT-1S", "ISO 8601"),
        (" PT1S", "ISO 8601"),
        ("PT1E3S", "ISO 8601"),
        ("PTNaNS", "ISO 8601"),
        ("PT\u0661S", "ISO 8601"),
        ("P1D2", "ISO 8601"),
        ("P36526D", "36525"),
        (f"PT{'9' * 400}S", "ISO 8601"),
        ("x" * 100_000, "ISO 8601"),
    ],
)
def test_a_duration_by_expression_is_as_strict_as_a_constant(given: object, says: str) -> None:
    run = Session("do: [{pause: {wait: '${ .for }'}}]")
    run.start({"for": given})
    assert run.error is not None
    assert (run.error.type.rpartition("/")[2], run.error.status) == ("expression", 400)
    assert run.error.detail is not None
    assert says in run.error.detail
    assert len(run.error.detail) < 300


@pytest.mark.parametrize("given", [{"seconds": 1, "milliseconds": 500}, "PT1.5S", "PT0.025M"])
def test_a_duration_by_expression_may_be_an_object_or_a_text(given: object) -> None:
    run = Session("do: [{pause: {wait: '${ .for }'}}]")
    assert run.start({"for": given}).startswith("timer /do/0/pause#wait at noon+1.5s")
