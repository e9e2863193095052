"""`for`: tasks for each item, one after the other."""

from itertools import pairwise

import pytest

from simulation.session import Session
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.lifecycle import SLICES_MAX

COLORS = """
do:
  - loop:
      for: {each: color, in: .colors}
      do:
        - mark:
            set:
              seen: '${ .seen + [$color] }'
              at: '${ .at + [$index] }'
"""


def test_each_iteration_is_given_what_the_one_before_gave() -> None:
    run = Session(COLORS)
    run.start({"colors": ["red", "green", "blue"]})
    assert run.output == {"seen": ["red", "green", "blue"], "at": [0, 1, 2]}


def test_a_loop_over_nothing_gives_its_input() -> None:
    run = Session(COLORS)
    run.start({"colors": []})
    assert run.output == {"colors": []}


@pytest.mark.parametrize("colors", [None, {"a": 1}, "red"])
def test_what_is_no_list_is_an_expression_error_of_the_loop(colors: object) -> None:
    run = Session(COLORS)
    run.start({"colors": colors})
    assert run.error is not None
    assert (run.error.type.rpartition("/")[2], run.error.instance) == ("expression", "/do/0/loop")
    assert "must give a list" in (run.error.detail or "")


def test_an_inline_list_may_hold_expressions() -> None:
    run = Session(
        "do: [{l: {for: {in: [{n: 1}, {n: '${ .two }'}]}, do: [{s: {set: '${ [$item.n, $index] }'}}]}}]"
    )
    run.start({"two": 2})
    assert run.output == [2, 1]


def test_while_is_asked_before_each_iteration_with_its_variables() -> None:
    run = Session("""
do:
  - loop:
      for: {each: n, in: .numbers}
      while: $n < 3
      do: [{add: {set: {sum: '${ (.sum // 0) + $n }'}}}]
""")
    run.start({"numbers": [1, 2, 3, 4]})
    assert run.output == {"sum": 3}


def test_calls_of_each_iteration_have_paths_of_their_own() -> None:
    run = Session("""
do:
  - loop:
      for: {in: .n}
      do:
        - first: {call: acme.one, with: {item: '${ $item }'}}
        - second: {call: acme.two, with: {was: '${ . }', item: '${ $item }'}}
""")
    assert run.start({"n": ["a", "b"]}) == (
        'call /do/0/loop/do/0/first acme.one {"item":"a"}\nthe run is running'
    )
    run.complete("/do/0/loop/do/0/first", 1)
    run.complete("/do/0/loop/do/1/second", 2)
    assert list(run.tasks) == ["/do/0/loop/do/0/first@0.1"]
    run.complete("/do/0/loop/do/0/first@0.1", 3)
    assert run.calls[-1].arguments == b'{"was":3,"item":"b"}'
    run.complete("/do/0/loop/do/1/second@0.1", 4)
    assert run.output == 4
    assert run.replayed() == run.state


def test_loops_within_loops_see_both_items() -> None:
    run = Session("""
do:
  - outer:
      for: {each: x, in: '${ [1, 2] }'}
      do:
        - inner:
            for: {each: y, in: '${ [10, 20] }', at: j}
            do: [{add: {set: '${ (if type == "array" then . else [] end) + [[$x, $y, $index, $j]] }'}}]
""")
    run.start()
    assert run.output == [[1, 10, 0, 0], [1, 20, 0, 1], [2, 10, 1, 0], [2, 20, 1, 1]]


def test_exit_ends_the_iteration_and_end_ends_the_workflow() -> None:
    body = """
do:
  - loop:
      for: {in: '${ [1, 2] }'}
      do:
        - first: {set: '${ [$item] }', then: THEN}
        - second: {set: '${ . + ["second"] }'}
  - last: {set: '${ . + ["last"] }'}
"""
    run = Session(body.replace("THEN", "exit"))
    run.start()
    assert run.output == [2, "last"]
    run = Session(body.replace("THEN", "end"))
    run.start()
    assert run.output == [1]


def test_a_jump_back_within_an_iteration_begins_a_new_round_of_it() -> None:
    run = Session("""
do:
  - loop:
      for: {in: '${ ["a", "b"] }'}
      do:
        - ask: {call: acme.ask, with: {item: '${ $item }'}}
        - again: {switch: [{no: {when: '. == "again"', then: ask}}]}
""")
    run.start()
    run.complete("/do/0/loop/do/0/ask", "again")
    run.complete("/do/0/loop/do/0/ask@0.1", "done")
    assert list(run.tasks) == ["/do/0/loop/do/0/ask@0.2"]
    assert run.calls[-1].arguments == b'{"item":"b"}'


def test_a_caught_error_of_one_iteration_does_not_end_the_loop() -> None:
    run = Session("""
do:
  - loop:
      for: {in: '${ [1, 2, 3] }'}
      do:
        - guarded:
            try: [{odd: {if: $item == 2, raise: {error: {type: https://acme.test/errors/odd, status: 400}}}}]
            catch: {}
        - count: {set: {n: '${ (.n // 0) + 1 }'}}
""")
    run.start()
    assert run.output == {"n": 3}


def test_a_long_loop_goes_on_in_slices_and_lets_others_in_between() -> None:
    run = Session("do: [{loop: {for: {in: '${ [range(1200)] }'}, do: [{s: {set: {n: '${ $index }'}}}]}}]")
    run.start()
    assert run.status() is RunStatus.RUNNING
    assert list(run.timers) == ["#continue"]
    while run.status() is RunStatus.RUNNING:
        run.fire_next()
    assert run.output == {"n": 1199}
    assert run.words().count("task.completed /do/0/loop/do/0/s") == 1200
    assert run.replayed() == run.state


def test_a_loop_that_makes_much_history_goes_on_in_slices_of_bounded_size() -> None:
    run = Session(
        "do: [{loop: {for: {in: '${ [range(300)] }'}, do: [{s: {set: {t: '${ $workflow.input }'}}}]}}]"
    )
    run.start("x" * 20_000)
    ended = [run.words().count("task.completed /do/0/loop/do/0/s")]
    while run.status() is RunStatus.RUNNING:
        run.fire_next()
        ended.append(run.words().count("task.completed /do/0/loop/do/0/s"))
    assert run.status() is RunStatus.COMPLETED
    assert ended[-1] == 300
    assert max(after - before for before, after in pairwise(ended)) < 20
    assert run.replayed() == run.state


def test_many_small_slices_are_no_loop_that_never_waits() -> None:
    """What counts is how many tasks began, not how often others were let in between."""
    slices = SLICES_MAX + 10
    run = Session(
        f"do: [{{loop: {{for: {{in: '${{ [range({8 * slices})] }}'}}, do: [{{s: {{set: {{t: '${{ $workflow.input }}'}}}}}}]}}}}]"
    )
    run.start("x" * 20_000)
    fired = 0
    while run.status() is RunStatus.RUNNING:
        run.fire_next()
        fired += 1
    assert fired >= SLICES_MAX
    assert run.status() is RunStatus.COMPLETED


def test_a_run_that_is_suspended_between_slices_goes_on_when_it_is_resumed() -> None:
    run = Session("do: [{loop: {for: {in: '${ [range(1200)] }'}, do: [{s: {set: {n: '${ $index }'}}}]}}]")
    run.start()
    run.suspend()
    run.fire("#continue")
    assert run.status() is RunStatus.SUSPENDED
    run.resume()
    while run.status() is RunStatus.RUNNING:
        run.fire_next()
    assert run.output == {"n": 1199}


def test_loops_that_follow_each_other_in_one_transition_each_have_their_own_items() -> None:
    loops = [
        f"  - loop{n}: {{for: {{in: '${{ [range({n})] }}'}}, do: [{{add: {{set: {{sum: '${{ .sum + $item }}'}}}}}}]}}\n"
        for n in range(1, 12)
    ]
    run = Session("do:\n" + "".join(loops))
    run.start({"sum": 0})
    assert run.output == {"sum": sum(item for n in range(1, 12) for item in range(n))}
