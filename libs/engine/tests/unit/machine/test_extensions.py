"""Extensions: tasks around tasks."""

from simulation.session import Session

LOGGING = """
use:
  extensions:
    - logging:
        extend: all
        before: [{say: {call: acme.log, with: {text: '${ "before " + $task.reference }', seen: '${ . }'}}}]
        after: [{say: {call: acme.log, with: {text: '${ "after " + $task.name }', seen: '${ . }'}}}]
do:
  - one: {set: {n: '${ .n + 1 }'}}
"""
BEFORE = "/do/0/one/extensions/logging/before/0/say"
AFTER = "/do/0/one/extensions/logging/after/0/say"


def test_tasks_before_and_after_see_the_task_and_do_not_touch_its_data() -> None:
    run = Session(LOGGING)
    assert run.start({"n": 1}) == (
        f'call {BEFORE} acme.log {{"text":"before /do/0/one","seen":{{"n":1}}}}\nthe run is running'
    )
    run.complete(BEFORE, "logged")
    assert run.calls[-1].arguments == b'{"text":"after one","seen":{"n":2}}'
    run.complete(AFTER, "logged")
    assert run.output == {"n": 2}
    assert "task.completed /do/0/one" in run.words()
    assert not [word for word in run.words() if word.endswith("/extensions/logging")]


def test_a_task_before_that_exits_takes_the_place_of_the_task() -> None:
    run = Session("""
use:
  extensions:
    - mock:
        extend: call
        when: $task.with.endpoint | startswith("https://mocked.")
        before: [{answer: {set: {mocked: true}, then: exit}}]
do:
  - a: {call: http, with: {method: get, endpoint: https://mocked.test/x}}
  - b: {call: http, with: {method: get, endpoint: https://real.test/x}}
""")
    run.start()
    assert list(run.tasks) == ["/do/1/b"]
    assert "task.started /do/0/a" not in run.words()
    run.complete("/do/1/b", "real")
    assert run.output == "real"


def test_extensions_nest_in_the_order_of_their_definition() -> None:
    run = Session("""
use:
  extensions:
    - outer: {extend: set, before: [{b: {set: {x: 1}}}], after: [{a: {set: {x: 1}}}]}
    - inner: {extend: all, before: [{b: {set: {x: 1}}}], after: [{a: {set: {x: 1}}}]}
do: [{t: {set: {n: 1}}}]
""")
    run.start()
    at = "/do/0/t/extensions"
    assert [word for word in run.words() if word.startswith("task.completed")] == [
        f"task.completed {at}/outer/before/0/b",
        f"task.completed {at}/inner/before/0/b",
        "task.completed /do/0/t",
        f"task.completed {at}/inner/after/0/a",
        f"task.completed {at}/outer/after/0/a",
    ]
    assert run.output == {"n": 1}


def test_a_skipped_task_is_not_extended() -> None:
    run = Session(LOGGING.replace("one: {set", "one: {if: .n > 5, set"))
    run.start({"n": 1})
    assert run.calls == []
    assert run.output == {"n": 1}
    assert "task.skipped /do/0/one" in run.words()


def test_flow_directives_of_extended_tasks_lead_where_they_say() -> None:
    run = Session("""
use: {extensions: [{e: {extend: all, before: [{b: {set: {x: 1}}}]}}]}
do:
  - choose: {switch: [{big: {when: .n > 5, then: large}}]}
  - small: {set: {size: small}, then: end}
  - large: {set: {size: large}}
""")
    run.start({"n": 9})
    assert run.output == {"size": "large"}
    run = Session(run.compiled)
    run.start({"n": 1})
    assert run.output == {"size": "small"}


def test_an_error_of_an_extension_is_an_error_in_place_of_the_task() -> None:
    run = Session(LOGGING)
    run.start({"n": 1})
    run.fault(BEFORE)
    assert run.error is not None
    assert run.error.instance == BEFORE


def test_an_extension_that_nothing_uses_is_checked_all_the_same() -> None:
    run = Session("""
use: {extensions: [{e: {extend: wait, before: [{b: {set: {x: 1}}}]}}]}
do: [{a: {set: {n: '${ $task.definition.set | length }'}}}]
""")
    run.start()
    assert run.output == {"n": 1}


def test_the_definition_of_the_workflow_is_there_when_it_is_asked_for() -> None:
    run = Session("do: [{a: {set: '${ $workflow.definition.do[0].a | keys }'}}]")
    run.start()
    assert run.output == ["set"]
