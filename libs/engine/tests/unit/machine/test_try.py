"""`try`, `catch`, `retry`, `raise`."""

import pytest

from simulation.session import NOON, Session
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.lifecycle import SLICES_MAX

PATH = "/do/0/attempt/try/0/send"


def with_catch(catch: str, *, after: str = "") -> str:
    return f"do:\n  - attempt:\n      try: [{{send: {{call: acme.send}}}}]\n      catch: {catch}\n{after}"


def test_a_caught_error_runs_the_handler_with_the_error_as_its_variable() -> None:
    run = Session(
        with_catch("{errors: {with: {status: 404}}, as: err, do: [{note: {set: {error: '${ $err }'}}}]}")
    )
    run.start()
    run.fault(PATH, 404)
    assert run.status() is RunStatus.COMPLETED
    assert run.output["error"] == {
        "type": "https://open-workflow-specification.org/spec/1.0.0/errors/communication",
        "status": 404,
        "title": "It failed",
        "instance": PATH,
    }


def test_an_error_that_the_filter_does_not_match_goes_on_outwards() -> None:
    run = Session(with_catch("{errors: {with: {status: 503}}, do: [{note: {set: {a: 1}}}]}"))
    run.start()
    run.fault(PATH, 404)
    assert run.status() is RunStatus.FAULTED
    assert run.words()[-3:] == [f"task.faulted {PATH}", "task.faulted /do/0/attempt", "workflow.faulted"]


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        ("https://serverlessworkflow.io/spec/1.0.0/errors/communication", True),
        ("https://open-workflow-specification.org/spec/1.0.0/errors/communication", True),
        ("https://open-workflow-specification.org/dsl/errors/types/communication", False),
        ("https://open-workflow-specification.org/spec/1.0.1/errors/communication", False),
        ("https://open-workflow-specification.org/spec/1.0.0/errors/communication/", False),
        ("https://open-workflow-specification.org.evil.example/spec/1.0.0/errors/communication", False),
        ("http://serverlessworkflow.io/spec/1.0.0/errors/communication", False),
        ("https://acme.example/errors/communication", False),
        ("communication", False),
    ],
)
def test_types_match_exactly_and_the_specifications_hosts_are_one(kind: str, caught: bool) -> None:
    run = Session(
        with_catch(f"{{errors: {{with: {{type: '{kind}'}}}}, do: [{{note: {{set: {{caught: true}}}}}}]}}")
    )
    run.start()
    run.fault(PATH)
    assert run.output == ({"caught": True} if caught else None)


def test_when_and_except_when_decide_about_an_error_that_matches() -> None:
    catch = "{{when: '${{ $error.status >= 500 }}', exceptWhen: '${{ $error.status == 501 }}', do: [{{n: {{set: {{caught: true}}}}}}]}}"
    for status, caught in ((503, True), (404, False), (501, False)):
        run = Session(with_catch(catch.replace("{{", "{").replace("}}", "}")))
        run.start()
        run.fault(PATH, status)
        assert (run.output == {"caught": True}) is caught


def test_a_caught_error_without_a_handler_is_swallowed_and_the_input_goes_on() -> None:
    run = Session(with_catch("{errors: {with: {status: 503}}}"))
    run.start({"kept": 1})
    run.fault(PATH)
    assert run.output == {"kept": 1}


def test_catch_then_leads_elsewhere_after_a_caught_error() -> None:
    after = """
  - usual: {set: {went: usual}, then: end}
  - failed: {set: '${ . + {went: "failed"} }'}"""
    run = Session(with_catch("{then: failed, do: [{note: {set: {noted: 1}}}]}", after=after))
    run.start()
    run.fault(PATH)
    assert run.output == {"noted": 1, "went": "failed"}
    run = Session(with_catch("{then: failed}", after=after))
    run.start()
    run.complete(PATH)
    assert run.output == {"went": "usual"}


def test_an_error_in_the_handler_is_not_caught_by_its_own_try() -> None:
    run = Session(with_catch("{do: [{again: {call: acme.other}}]}"))
    run.start()
    run.fault(PATH)
    run.fault("/do/0/attempt/catch/do/0/again", 500)
    assert run.error is not None
    assert run.error.instance == "/do/0/attempt/catch/do/0/again"


RETRY = "{retry: {delay: {seconds: 3}, backoff: {exponential: {}}, limit: {attempt: {count: 2}}}%s}"


def test_a_retry_waits_longer_each_time_and_keeps_the_path_of_the_effect() -> None:
    run = Session(with_catch(RETRY % ""))
    run.start()
    assert run.fault(PATH) == f"drop {PATH}\ntimer /do/0/attempt#retry at noon+3s\nthe run is waiting"
    assert run.fire_next() == (
        f"untimer /do/0/attempt#retry\ncall {PATH} acme.send {{}} (attempt 2)\nthe run is running"
    )
    assert run.fault(PATH) == f"drop {PATH}\ntimer /do/0/attempt#retry at noon+9s\nthe run is waiting"
    assert run.fire_next().splitlines()[1] == f"call {PATH} acme.send {{}} (attempt 3)"
    run.complete(PATH, "sent")
    assert run.output == "sent"
    retried = [entry for entry in run.entries if entry.type == "task.retried"]
    assert [entry.data for entry in retried] == [
        {"attempt": 2, "delay_ms": 3000}, {"attempt": 3, "delay_ms": 6000}
    ]  # fmt: skip


def test_when_the_retries_are_used_up_the_handler_takes_over() -> None:
    run = Session(with_catch(RETRY % ", do: [{fallback: {call: acme.fallback}}]"))
    run.start()
    for _ in range(2):
        run.fault(PATH)
        run.fire_next()
    assert run.fault(PATH) == (
        f"drop {PATH}\ncall /do/0/attempt/catch/do/0/fallback acme.fallback {{}}\nthe run is running"
    )


def test_when_the_retries_are_used_up_without_a_handler_the_error_goes_on() -> None:
    run = Session(with_catch(RETRY % ""))
    run.start()
    for _ in range(2):
        run.fault(PATH)
        run.fire_next()
    run.fault(PATH)
    assert run.status() is RunStatus.FAULTED
    assert run.error is not None
    assert run.error.status == 503


def test_a_retry_without_a_delay_starts_at_once() -> None:
    run = Session(with_catch("{retry: {limit: {attempt: {count: 1}}}}"))
    run.start()
    assert run.fault(PATH) == f"drop {PATH}\ncall {PATH} acme.send {{}} (attempt 2)\nthe run is running"


def test_retry_when_stops_retrying() -> None:
    run = Session(with_catch("{retry: {when: '${ $error.status == 503 }', delay: PT1S}}"))
    run.start()
    run.fault(PATH, 404)
    assert run.status() is RunStatus.FAULTED


def test_no_retry_begins_after_the_total_duration() -> None:
    run = Session(with_catch("{retry: {delay: PT10S, limit: {duration: PT25S}}}"))
    run.start()
    for _ in range(2):
        run.fault(PATH)
        run.fire_next()
    run.pass_time(4)
    run.fault(PATH)
    assert run.status() is RunStatus.FAULTED
    assert run.now == NOON + 24_000


def test_an_attempt_that_takes_too_long_is_cancelled_and_retried() -> None:
    run = Session(with_catch("{retry: {delay: PT1S, limit: {attempt: {duration: PT5S}}}}"))
    assert run.start() == (
        f"timer /do/0/attempt#attempt at noon+5s\ncall {PATH} acme.send {{}}\nthe run is running"
    )
    assert run.calls[0].deadline_ms == NOON + 5000
    assert run.fire_next() == (
        f"untimer /do/0/attempt#attempt\ncancel {PATH}\ntimer /do/0/attempt#retry at noon+6s\nthe run is waiting"
    )
    assert run.complete(PATH, "late", attempt=1) == f"noted: no task is open at {PATH}"
    run.fire_next()
    assert run.complete(PATH, "late", attempt=1).startswith("noted: attempt 1")
    run.complete(PATH, "sent")
    assert run.output == "sent"


def test_jitter_is_the_same_for_the_same_run_and_attempt() -> None:
    body = with_catch("{retry: {delay: PT1S, jitter: {from: PT0S, to: PT10S}}}")
    delays: dict[str, int] = {}
    for run_id in ("one", "one", "two"):
        run = Session(body, run=run_id)
        run.start()
        run.fault(PATH)
        delay = run.timers["/do/0/attempt#retry"] - NOON
        assert 1000 <= delay <= 11_000
        assert delays.setdefault(run_id, delay) == delay
    assert delays["one"] != delays["two"]


BLOCK = """
do:
  - attempt:
      try:
        - pay: {call: acme.pay, with: {n: 1}, output: {as: '${ {receipt: .} }'}}
        - both: {fork: {branches: [{mail: {call: acme.mail}}, {post: {call: acme.post}}]}}
        - done: {set: '${ {sent: .} }'}
      catch: {retry: {delay: PT1S}}
"""


def test_a_completed_effect_in_a_retried_block_is_not_repeated_and_a_failed_one_is() -> None:
    run = Session(BLOCK)
    run.start()
    mail = "/do/0/attempt/try/1/both/fork/branches/0/mail"
    post = "/do/0/attempt/try/1/both/fork/branches/1/post"
    run.complete("/do/0/attempt/try/0/pay", "r1")
    run.complete(mail, "m1")
    run.fault(post)
    assert run.fire_next() == (
        f"untimer /do/0/attempt#retry\ncall {post} acme.post {{}} (attempt 2)\nthe run is running"
    )
    assert run.words().count("task.skipped /do/0/attempt/try/0/pay") == 1
    run.complete(post, "p2")
    assert run.output == {"sent": ["m1", "p2"]}
    assert run.words().count("task.completed /do/0/attempt/try/0/pay") == 1


def test_an_effect_cancelled_with_its_block_is_asked_for_again_as_its_next_attempt() -> None:
    run = Session(BLOCK)
    run.start()
    run.complete("/do/0/attempt/try/0/pay", "r1")
    run.fault("/do/0/attempt/try/1/both/fork/branches/0/mail")
    run.fire_next()
    assert {path.rpartition("/")[2]: call.attempt for path, call in run.tasks.items()} == {
        "mail": 2,
        "post": 2,
    }


def test_an_inner_trys_effects_are_remembered_by_the_outermost_that_retries() -> None:
    run = Session("""
do:
  - outer:
      try:
        - inner:
            try: [{first: {call: acme.first}}, {second: {call: acme.second}}]
            catch: {errors: {with: {status: 400}}, retry: {limit: {attempt: {count: 1}}}}
        - third: {call: acme.third}
      catch: {retry: {delay: PT1S}}
""")
    run.start()
    inner = "/do/0/outer/try/0/inner/try"
    run.complete(f"{inner}/0/first", 1)
    run.fault(f"{inner}/1/second", 400)
    assert run.tasks.keys() == {f"{inner}/1/second"}
    assert run.attempt(f"{inner}/1/second") == 2
    run.complete(f"{inner}/1/second", 2)
    run.fault("/do/0/outer/try/1/third")
    assert run.fire_next().splitlines()[1] == "call /do/0/outer/try/1/third acme.third {} (attempt 2)"


def test_what_was_remembered_ends_with_the_try() -> None:
    run = Session("""
do:
  - attempt: {try: [{send: {call: acme.send}}], catch: {retry: {delay: PT1S}}}
  - back: {switch: [{more: {when: '${ . == "again" }', then: attempt}}]}
""")
    run.start()
    run.fault(PATH)
    run.fire_next()
    run.complete(PATH, "again")
    assert run.tasks.keys() == {f"{PATH}@1"}
    assert run.attempt(f"{PATH}@1") == 1
    assert b"memo" not in (run.state or b"")


def test_a_raised_error_carries_the_pointer_of_its_task() -> None:
    run = Session("""
do:
  - raiseError:
      raise:
        error: {status: 400, type: https://acme.test/errors/compliance, title: Compliance Error}
""")
    run.start()
    assert run.error is not None
    assert run.error.instance == "/do/0/raiseError"
    assert run.words()[-2:] == ["task.faulted /do/0/raiseError", "workflow.faulted"]


def test_a_raised_error_may_be_computed_and_caught() -> None:
    run = Session("""
do:
  - attempt:
      try: [{stop: {raise: {error: {status: 409, type: https://acme.test/errors/busy, title: Busy, detail: '${ .why }'}}}}]
      catch: {as: it, do: [{say: {set: {why: '${ $it.detail }'}}}]}
""")
    run.start({"why": "because"})
    assert run.output == {"why": "because"}


def test_an_expression_error_can_be_caught() -> None:
    run = Session("""
do:
  - attempt:
      try: [{bad: {set: '${ .a.b + 1 }'}}]
      catch: {errors: {with: {type: https://open-workflow-specification.org/spec/1.0.0/errors/expression}}, do: [{say: {set: {caught: true}}}]}
""")
    run.start({"a": "text"})
    assert run.output == {"caught": True}


def test_endless_immediate_retries_of_a_block_that_never_waits_fault_the_run() -> None:
    run = Session("""
do:
  - attempt:
      try: [{bad: {raise: {error: {status: 500, type: https://acme.test/errors/bad, title: Bad}}}}]
      catch: {retry: {}}
""")
    run.start()
    for _ in range(SLICES_MAX):
        run.fire("#continue")
    assert run.error is not None
    assert run.error.title == "Step limit reached"
