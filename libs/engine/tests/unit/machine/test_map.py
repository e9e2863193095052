"""`flow.map`: a function or a workflow for each item, many at once, in order, with failures that are tolerated."""

from typing import Any

import msgspec
import pytest

from simulation.session import Session, compiled
from visapi_common.contracts.runs import RunStatus
from visapi_engine.compile.compiler import DefinitionInvalid
from visapi_engine.model.parts import PART
from visapi_engine.model.program import decode_program

AT = "/do/0/letters"
ITEM = f"{AT}/with/function"


def mapped(arguments: str, rest: str = "") -> Session:
    return Session(f"do: [{{letters: {{call: flow.map, with: {{{arguments}}}{rest}}}}}]")


def asked(run: Session) -> dict[str, Any]:
    """What is under way, by path: the arguments."""
    return {path: msgspec.json.decode(call.arguments) for path, call in run.tasks.items()}  # type: ignore[union-attr]


def path(number: int) -> str:
    return ITEM if number == 0 else f"{ITEM}@0.{number}"


def test_each_item_is_the_input_of_a_call_and_results_stand_in_the_order_of_the_items():
    run = mapped("items: '${ .names }', function: acme.write, concurrency: 3")
    run.start({"names": ["a", "b", "c"]})
    assert asked(run) == {path(0): "a", path(1): "b", path(2): "c"}
    for number in (2, 0, 1):
        run.complete(path(number), f"letter {number}")
    assert run.output == {"results": ["letter 0", "letter 1", "letter 2"], "failed": []}


def test_no_more_are_under_way_than_may_and_the_next_begins_when_one_ends():
    run = mapped("items: [1, 2, 3, 4], function: acme.write, concurrency: 2")
    run.start()
    assert list(asked(run)) == [path(0), path(1)]
    run.complete(path(1), "b")
    assert list(asked(run)) == [path(0), path(2)]
    run.complete(path(0), "a")
    assert list(asked(run)) == [path(2), path(3)]


def test_nothing_to_map_gives_nothing():
    run = mapped("items: [], function: acme.write")
    run.start()
    assert run.output == {"results": [], "failed": []}


@pytest.mark.parametrize("tolerate", ["2", "{percent: 50}", "'${ 1 + 1 }'"])
def test_failures_up_to_what_is_tolerated_are_told_and_leave_their_place_empty(tolerate: str):
    run = mapped(f"items: [1, 2, 3, 4], function: acme.write, tolerate: {tolerate}")
    run.start()
    run.fault(path(1))
    run.complete(path(0), "a")
    run.fault(path(3))
    run.complete(path(2), "c")
    assert run.output["results"] == ["a", None, "c", None]
    assert [failure["index"] for failure in run.output["failed"]] == [1, 3]
    assert run.output["failed"][0]["error"]["status"] == 503


def test_one_failure_too_many_faults_the_map_with_it_and_calls_off_the_rest():
    run = mapped("items: [1, 2, 3, 4], function: acme.write, tolerate: 1, concurrency: 3")
    run.start()
    run.fault(path(0))
    run.fault(path(2))
    assert (run.status(), run.tasks) == (RunStatus.FAULTED, {})
    assert run.error is not None
    assert (run.error.status, run.error.instance) == (503, ITEM)
    assert (run.error.detail or "").startswith("item 2: ")


def test_the_error_of_a_map_can_be_caught():
    run = Session(
        "do: [{t: {try: [{letters: {call: flow.map, with: {items: [1], function: acme.write}}}],"
        " catch: {errors: {with: {status: 503}}, do: [{no: {set: {caught: true}}}]}}}]"
    )
    run.start()
    (one,) = run.tasks
    run.fault(one)
    assert run.output == {"caught": True}


def test_a_retried_block_asks_again_for_the_failed_items_alone():
    run = Session(
        "do: [{t: {try: [{letters: {call: flow.map, with: {items: [1, 2], function: acme.write}}}],"
        " catch: {retry: {delay: {seconds: 1}, limit: {attempt: {count: 3}}}}}}]"
    )
    run.start()
    first, second = run.tasks
    run.complete(first, "a")
    run.fault(second)
    run.fire_next()
    assert list(run.tasks) == [second]
    run.complete(second, "b")
    assert run.output == {"results": ["a", "b"], "failed": []}


def test_workflows_are_mapped_as_functions_are():
    run = mapped("items: [{n: 1}, {n: 2}], workflow: {namespace: test, name: letter, version: '1.0.0'}")
    run.start()
    assert [(child.name, child.input, child.program) for child in run.started] == [
        ("letter", b'{"n":1}', None),
        ("letter", b'{"n":2}', None),
    ]
    first, second = run.children
    run.child_completed(second, "two")
    run.child_completed(first, "one")
    assert run.output == {"results": ["one", "two"], "failed": []}
    assert len({child.child for child in run.started}) == 2


def test_a_map_goes_on_after_it_was_suspended_and_is_cancelled_whole():
    run = mapped("items: [1, 2, 3], function: acme.write, concurrency: 1")
    run.start()
    run.suspend()
    run.complete(path(0), "a")
    assert run.tasks == {}
    run.resume()
    assert list(run.tasks) == [path(1)]
    run.cancel()
    assert (run.status(), run.tasks) == (RunStatus.CANCELLED, {})


def test_a_timeout_of_the_task_ends_the_whole_map():
    run = mapped("items: [1, 2], function: acme.write", ", timeout: {after: {seconds: 5}}")
    run.start()
    run.pass_time(5)
    run.fire_next()
    assert (run.status(), run.tasks) == (RunStatus.FAULTED, {})


def test_a_map_that_failed_can_be_taken_up_again_where_it_failed():
    run = mapped("items: [1, 2, 3], function: acme.write, concurrency: 1")
    run.start()
    run.complete(path(0), "a")
    run.fault(path(1))
    assert run.status() == RunStatus.FAULTED
    run.retry()
    assert list(run.tasks) == [path(1)]
    run.complete(path(1), "b")
    run.complete(path(2), "c")
    assert run.output == {"results": ["a", "b", "c"], "failed": []}


# A map of more than PART items is done in parts, each by a run of its own.

LARGE = "items: '${ [range(.)] }', function: acme.write, concurrency: 40, tolerate: 3"


def part_of(run: Session, number: int) -> Session:
    """The run that does a part, as the orchestrator starts it."""
    child = run.started[number]
    bodies = {msgspec.json.encode(decode_program(body)): body for body in run.compiled.parts}
    (body,) = bodies.values()
    program = msgspec.structs.replace(run.compiled, program=decode_program(body), body=body, parts=[])
    part = Session(program, run=child.child)
    part.start(msgspec.json.decode(child.input))
    return part


def do_all(part: Session, *, failing: tuple[int, ...] = ()) -> None:
    while part.tasks:
        one = next(iter(part.tasks))
        item = asked(part)[one]
        if item in failing:
            part.fault(one)
        else:
            part.complete(one, item * 2)


def test_a_large_map_gives_parts_of_it_to_runs_of_their_own():
    run = mapped(LARGE)
    run.start(2 * PART + 3)
    assert run.tasks == {}
    assert [child.program for child in run.started] == [run.started[0].program] * 2
    assert (run.started[0].namespace, run.started[0].name) == ("test", "story")
    parts = [part_of(run, number) for number in (0, 1)]
    assert [len(part.tasks) for part in parts] == [16, 16], "40 at once are two parts of 16"
    do_all(parts[1], failing=(PART + 7,))
    run.child_completed(run.started[1].path, parts[1].output)
    parts.append(part_of(run, 2))
    do_all(parts[2])
    do_all(parts[0])
    for number in (2, 0):
        run.child_completed(run.started[number].path, parts[number].output)
    expected = [None if item == PART + 7 else item * 2 for item in range(2 * PART + 3)]
    assert run.output["results"] == expected
    assert [failure["index"] for failure in run.output["failed"]] == [PART + 7]


def test_a_part_in_which_too_many_fail_faults_the_map_with_the_item_that_was_too_much():
    run = mapped(LARGE)
    run.start(2 * PART)
    part = part_of(run, 1)
    do_all(part, failing=(PART + 1, PART + 2, PART + 3, PART + 4))
    assert part.status() == RunStatus.FAULTED
    assert part.error is not None
    run.child_faulted(run.started[1].path, 503)
    assert (run.status(), run.children) == (RunStatus.FAULTED, {})
    assert (part.error.detail or "").startswith(f"item {PART + 4}: ")


def test_failures_of_several_parts_add_up():
    run = mapped(LARGE)
    run.start(2 * PART)
    for number, failing in ((0, (1, 2)), (1, (PART + 1, PART + 2))):
        part = part_of(run, number)
        do_all(part, failing=failing)
        run.child_completed(run.started[number].path, part.output)
    assert run.status() == RunStatus.FAULTED


def test_the_state_of_a_large_map_does_not_hold_what_its_parts_have_been_given():
    run = mapped("items: '${ [range(.)] }', function: acme.write, concurrency: 1")
    run.start(100 * PART)
    before = len(run.state or b"")
    for number in range(50):
        run.child_completed(run.started[number].path, {"results": [None] * PART, "failed": []})
    assert len(run.state or b"") < before


@pytest.mark.parametrize(
    ("arguments", "pointer", "said"),
    [
        ("function: acme.write", "", "items"),
        ("items: [1]", "", "exactly one of function, workflow"),
        ("items: [1], function: a.b, workflow: {namespace: a, name: b}", "", "exactly one"),
        ("items: {a: 1}, function: a.b", "/items", "must be a list"),
        ("items: [1], function: http", "/function", "put it in a workflow"),
        ("items: [1], function: flow.map", "/function", "another map"),
        ("items: [1], function: a.b, concurrency: 0", "/concurrency", "from 1 to 1000"),
        ("items: [1], function: a.b, tolerate: -1", "/tolerate", "from 0"),
        ("items: [1], function: a.b, tolerate: {percent: 101}", "/tolerate/percent", "from 0 to 100"),
        ("items: [1], function: a.b, tolerance: 1", "/tolerance", "tolerate"),
        ("items: [1], workflow: {namespace: a}", "/workflow", "name"),
    ],
)
def test_what_cannot_be_mapped_is_refused_at_its_place(arguments: str, pointer: str, said: str):
    with pytest.raises(DefinitionInvalid) as caught:
        compiled(f"do: [{{letters: {{call: flow.map, with: {{{arguments}}}}}}}]")
    found = {error.pointer: error.detail for error in caught.value.errors}
    assert said in found.get(f"{AT}/with{pointer}", ""), found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("items: '${ .x }', function: a.b", "must give a list"),
        ("items: [1], function: a.b, concurrency: '${ .x }'", "from 1 to 1000"),
        ("items: [1], function: a.b, tolerate: '${ \"no\" }'", "a number of items"),
    ],
)
def test_what_an_expression_gives_is_held_against_the_same_rules(arguments: str, said: str):
    run = mapped(arguments)
    run.start({"x": {"a": 1}})
    assert run.error is not None
    assert said in (run.error.detail or "")
