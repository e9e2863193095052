"""`fork`: branches side by side, together or racing."""

from simulation.session import Session
from visapi_common.contracts.runs import RunStatus

TOGETHER = """
do:
  - both:
      fork:
        branches:
          - left: {call: acme.left, with: {n: '${ .n }'}}
          - right: {call: acme.right, with: {n: '${ .n }'}}
"""
LEFT = "/do/0/both/fork/branches/0/left"
RIGHT = "/do/0/both/fork/branches/1/right"


def test_branches_start_together_and_give_their_outputs_in_order() -> None:
    run = Session(TOGETHER)
    assert run.start({"n": 1}) == (
        f'call {LEFT} acme.left {{"n":1}}\ncall {RIGHT} acme.right {{"n":1}}\nthe run is running'
    )
    assert run.complete(RIGHT, "r") == f"drop {RIGHT}\nthe run is running"
    run.complete(LEFT, "l")
    assert run.output == ["l", "r"]


def test_both_results_in_either_order_give_the_same_outcome() -> None:
    outputs: list[object] = []
    for order in ((LEFT, RIGHT), (RIGHT, LEFT)):
        run = Session(TOGETHER)
        run.start({"n": 1})
        for path in order:
            run.complete(path, path[-1])
        outputs.append(run.output)
    assert outputs[0] == outputs[1]


def test_the_first_branch_to_end_wins_a_race_and_the_others_are_cancelled() -> None:
    run = Session(TOGETHER.replace("fork:", "fork:\n        compete: true"))
    run.start({"n": 1})
    assert run.complete(RIGHT, "first") == f"drop {RIGHT}\ncancel {LEFT}\nthe run is completed"
    assert run.output == "first"
    assert f"task.cancelled {LEFT}" in run.words()
    assert run.complete(LEFT, "late", attempt=1) == "noted: the run is completed"


def test_an_uncaught_error_of_a_branch_faults_the_fork_and_cancels_the_rest() -> None:
    run = Session(TOGETHER)
    run.start({"n": 1})
    assert run.fault(LEFT) == f"drop {LEFT}\ncancel {RIGHT}\nthe run is faulted"
    assert run.error is not None
    assert run.error.instance == LEFT
    assert run.words()[-4:] == [
        f"task.faulted {LEFT}",
        f"task.cancelled {RIGHT}",
        "task.faulted /do/0/both",
        "workflow.faulted",
    ]


def test_a_skipped_branch_does_not_win_a_race() -> None:
    run = Session("""
do:
  - race:
      fork:
        compete: true
        branches:
          - never: {if: '${ false }', set: {won: never}}
          - real: {call: acme.real}
""")
    run.start()
    run.complete("/do/0/race/fork/branches/1/real", "real")
    assert run.output == "real"


def test_a_branch_that_ends_at_once_wins_before_the_others_begin() -> None:
    run = Session("""
do:
  - race:
      fork:
        compete: true
        branches:
          - quick: {set: {won: quick}}
          - slow: {call: acme.slow}
""")
    assert run.start() == "the run is completed"
    assert run.output == {"won": "quick"}
    assert run.calls == []


def test_branches_may_fork_again() -> None:
    run = Session("""
do:
  - outer:
      fork:
        branches:
          - a: {fork: {branches: [{b: {call: acme.b}}, {c: {set: {c: 1}}}]}}
          - d: {wait: {seconds: 1}}
""")
    run.start({"in": 1})
    assert run.status() is RunStatus.RUNNING
    run.complete("/do/0/outer/fork/branches/0/a/fork/branches/0/b", "b")
    assert run.status() is RunStatus.WAITING
    run.fire_next()
    assert run.output == [["b", {"c": 1}], {"in": 1}]
