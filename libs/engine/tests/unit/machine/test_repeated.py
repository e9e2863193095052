"""In a retried block reads are done again and effects are not, unless the task says otherwise."""

import pytest

from simulation.session import Session
from visapi_common.contracts.engine_messages import Decision

FIRST, SECOND = "/do/0/poll/try/0/first", "/do/0/poll/try/1/second"


def poll(first: str, catch: str = "{retry: {delay: PT1S}}") -> Session:
    """A block whose second task fails; its first one is asked about."""
    run = Session(
        f"do: [{{poll: {{try: [{{first: {first}}}, {{second: {{call: acme.second}}}}], catch: {catch}}}}}]"
    )
    run.start({"method": "GET"})
    return run


def again(run: Session, output: object = "old", *, read: bool = False) -> bool:
    """Complete the first task, fail the second, let the block be retried: whether the first is asked again."""
    run.complete(FIRST, output, read=read)
    run.fault(SECOND)
    run.fire_next()
    return FIRST in run.tasks


def http(method: str) -> str:
    return f"{{call: http, with: {{method: '{method}', endpoint: 'https://a.example/'}}}}"


@pytest.mark.parametrize("method", ["get", "GET", "head", "options", "${ .method }"])
def test_an_http_read_is_done_again_and_the_new_answer_counts(method: str) -> None:
    run = poll(http(method))
    assert again(run, "old")
    run.complete(FIRST, "new")
    run.complete(SECOND, "done")
    assert [call.attempt for call in run.calls if call.path == FIRST] == [1, 2]
    assert run.output == "done"
    assert not any(word.startswith("task.skipped") for word in run.words())
    assert run.replayed() == run.state


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_remembered(method: str) -> None:
    assert not again(poll(http(method)))


def test_a_function_without_effect_is_done_again() -> None:
    assert again(poll("{call: acme.look}"), read=True)


def test_a_function_with_an_effect_is_remembered() -> None:
    assert not again(poll("{call: acme.pay}"))


def test_each_repetition_is_an_effect_of_its_own_and_each_attempt_at_it_is_not() -> None:
    run = poll("{call: acme.look}")
    run.fault(FIRST)
    run.fire_next()
    assert again(run, read=True)
    run.fault(FIRST)
    run.fire_next()
    assert again(run, read=True)
    assert [(call.attempt, call.repetition) for call in run.calls if call.path == FIRST] == [
        (1, 0),
        (2, 0),
        (3, 1),
        (4, 1),
        (5, 2),
    ]


@pytest.mark.parametrize(
    ("call", "on_retry", "repeated"),
    [
        (http("get"), "remember", False),
        (http("post"), "repeat", True),
        ("{call: acme.pay}", "repeat", True),
        ("{call: acme.pay}", "remember", False),
    ],
)
def test_a_task_may_say_otherwise(call: str, on_retry: str, repeated: bool) -> None:
    said = f"{call[:-1]}, metadata: {{visapi: {{onRetry: {on_retry}}}}}}}"
    assert again(poll(said)) is repeated


def test_a_task_may_say_that_a_read_is_remembered_whatever_its_worker_says() -> None:
    assert not again(poll("{call: acme.look, metadata: {visapi: {onRetry: remember}}}"), read=True)


def test_the_caller_of_a_reusable_function_decides_for_the_calls_in_it() -> None:
    run = Session("""
use: {functions: {pay: {call: acme.pay}}}
do:
  - poll:
      try:
        - first: {call: pay, metadata: {visapi: {onRetry: repeat}}}
        - second: {call: acme.second}
      catch: {retry: {delay: PT1S}}
""")
    run.start()
    run.complete(f"{FIRST}/call")
    run.fault(SECOND)
    run.fire_next()
    assert run.tasks.keys() == {f"{FIRST}/call"}


def test_a_child_run_is_remembered_unless_its_task_says_otherwise() -> None:
    for metadata, started in (("", 1), (", metadata: {visapi: {onRetry: repeat}}", 2)):
        run = poll(f"{{run: {{workflow: {{namespace: a, name: b, version: latest}}}}{metadata}}}")
        run.child_completed(FIRST, "old")
        run.fault(SECOND)
        run.fire_next()
        assert len({start.child for start in run.started}) == started


def test_what_was_resolved_by_hand_is_remembered_as_an_effect() -> None:
    run = poll("{call: acme.pay}")
    run.doubt(FIRST)
    run.resolve(FIRST, Decision.HAPPENED, "seen")
    run.fault(SECOND)
    run.fire_next()
    assert FIRST not in run.tasks


def test_items_of_a_map_are_done_again_where_they_changed_nothing() -> None:
    run = poll("{call: flow.map, with: {items: [1, 2], function: acme.look}}")
    for path in list(run.tasks):
        run.complete(path, read=True)
    run.fault(SECOND)
    run.fire_next()
    assert len(run.tasks) == 2


def test_a_retry_by_hand_goes_on_from_the_failure_and_repeats_nothing() -> None:
    run = poll(http("get"), "{retry: {limit: {attempt: {count: 0}}}}")
    run.complete(FIRST, "kept")
    run.fault(SECOND)
    run.retry()
    assert run.tasks.keys() == {SECOND}
    run.complete(SECOND, "done")
    assert run.output == "done"
