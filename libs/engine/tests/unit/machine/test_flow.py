"""`then` and `switch`: jumps, ends, and the paths of what is visited again."""

from simulation.session import Session
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.lifecycle import SLICES_MAX

SWITCH = """
do:
  - choose:
      switch:
        - other: {then: fallback}
        - big: {when: '${ .n > 10 }', then: large}
        - none: {when: '${ .n == 0 }', then: end}
  - small: {set: {size: small}, then: exit}
  - large: {set: {size: large}, then: end}
  - fallback: {set: {size: other}}
"""


def test_the_first_case_that_holds_decides_and_the_default_counts_last() -> None:
    for n, expected in ((11, {"size": "large"}), (0, {"n": 0}), (5, {"size": "other"})):
        run = Session(SWITCH)
        run.start({"n": n})
        assert run.output == expected


def test_without_a_matching_case_the_workflow_goes_on() -> None:
    run = Session("""
do:
  - choose: {switch: [{big: {when: '${ .n > 10 }', then: end}}]}
  - after: {set: {went: on}}
""")
    run.start({"n": 1})
    assert run.output == {"went": "on"}


def test_exit_ends_the_enclosing_list_only() -> None:
    run = Session("""
do:
  - block:
      do:
        - leave: {set: {left: true}, then: exit}
        - never: {set: {never: true}}
  - after: {set: '${ . + {after: true} }'}
""")
    run.start()
    assert run.output == {"left": True, "after": True}


def test_end_ends_the_workflow_from_wherever_it_stands() -> None:
    run = Session("""
output: {as: '${ {final: .} }'}
do:
  - both:
      fork:
        branches:
          - slow: {call: acme.slow}
          - fast: {do: [{stop: {set: {stopped: true}, then: end}}]}
  - never: {set: {never: true}}
""")
    assert run.start() == (
        "call /do/0/both/fork/branches/0/slow acme.slow {}\n"
        "cancel /do/0/both/fork/branches/0/slow\n"
        "the run is completed"
    )
    assert run.output == {"final": {"stopped": True}}
    assert run.words()[-4:] == [
        "task.completed /do/0/both/fork/branches/1/fast",
        "task.cancelled /do/0/both/fork/branches/0/slow",
        "task.completed /do/0/both",
        "workflow.completed",
    ]


LOOP = """
do:
  - ask: {call: acme.ask}
  - again: {switch: [{more: {when: '${ .more }', then: ask}}]}
  - block:
      do:
        - tell: {call: acme.tell}
        - back: {switch: [{more: {when: '${ .more }', then: tell}}]}
"""


def test_a_task_visited_again_has_a_path_of_its_own() -> None:
    run = Session(LOOP)
    run.start()
    run.complete("/do/0/ask", {"more": True})
    run.complete("/do/0/ask@1", {"more": True})
    run.complete("/do/0/ask@2", {"more": False})
    assert run.complete("/do/2/block/do/0/tell@2", {"more": True}) == (
        "drop /do/2/block/do/0/tell@2\ncall /do/2/block/do/0/tell@2.1 acme.tell {}\nthe run is running"
    )
    run.complete("/do/2/block/do/0/tell@2.1", {"more": False})
    assert run.status() is RunStatus.COMPLETED
    paths = [call.path for call in run.calls]
    assert len(paths) == len(set(paths))


def test_the_rounds_of_two_lists_are_never_confused() -> None:
    run = Session(LOOP)
    run.start()
    run.complete("/do/0/ask", {"more": False})
    run.complete("/do/2/block/do/0/tell", {"more": True})
    assert run.tasks.keys() == {"/do/2/block/do/0/tell@0.1"}


def test_a_loop_that_never_waits_faults_the_run_with_a_clear_error() -> None:
    run = Session("do: [{a: {set: {x: 1}}}, {b: {set: {y: 1}, then: a}}]")
    run.start()
    assert run.status() is RunStatus.RUNNING
    for _ in range(SLICES_MAX):
        run.fire("#continue")
    assert run.status() is RunStatus.FAULTED
    assert run.error is not None
    assert run.error.title == "Step limit reached"
    assert "a loop of `then`" in (run.error.detail or "")


def test_a_jump_forward_skips_tasks_without_history() -> None:
    run = Session("do: [{a: {set: {x: 1}, then: c}}, {b: {set: {y: 1}}}, {c: {set: '${ . }'}}]")
    run.start()
    assert run.output == {"x": 1}
    assert not [word for word in run.words() if word.endswith("/b")]


def test_a_name_with_an_at_sign_is_no_round() -> None:
    run = Session(
        "do: [{'a@1': {call: acme.noop}}, {back: {switch: [{more: {when: '${ . }', then: 'a@1'}}]}}]"
    )
    run.start()
    run.complete("/do/0/a@1", output=True)
    run.complete("/do/0/a@1@1", output=False)
    assert run.status() is RunStatus.COMPLETED
