"""`listen`: waiting for events; and `emit`."""

from typing import Any

import pytest

from simulation.session import Session
from visapi_common.contracts.runs import RunStatus

ONE = "do: [{hear: {listen: {to: {one: {with: {type: a.b}}}}}}]"


def test_one_event_of_the_type_ends_the_listener_which_gives_an_array_of_its_data() -> None:
    run = Session(ONE)
    assert run.start() == 'subscribe /do/0/hear [{"type":"a.b"}]\nthe run is waiting'
    assert run.arrive("other") == "noted: nobody listens for it"
    assert run.arrive("a.b", {"x": 1}) == "unsubscribe /do/0/hear\nthe run is completed"
    assert run.output == [{"x": 1}]


@pytest.mark.parametrize(
    ("read", "expected"),
    [("data", {"x": 1}), ("raw", '{"x":1}')],
)
def test_read_decides_what_is_kept_of_an_event(read: str, expected: Any) -> None:
    run = Session(f"do: [{{hear: {{listen: {{to: {{one: {{with: {{type: a.b}}}}}}, read: {read}}}}}}}]")
    run.start()
    run.arrive("a.b", {"x": 1})
    assert run.output == [expected]


def test_the_envelope_is_the_whole_event() -> None:
    run = Session("do: [{hear: {listen: {to: {one: {with: {type: a.b}}}, read: envelope}}}]")
    run.start()
    run.arrive("a.b", 1, id="7", roomid="r")
    assert run.output == [
        {"specversion": "1.0", "id": "7", "source": "/test", "type": "a.b", "data": 1, "roomid": "r"}
    ]


def test_any_takes_the_first_that_a_filter_matches() -> None:
    run = Session("""
do:
  - hear:
      listen:
        to:
          any:
            - with: {type: temperature, data: '${ .celsius > 38 }'}
            - with: {type: pulse, data: '${ .bpm < 60 or .bpm > 100 }'}
""")
    run.start()
    assert run.subscriptions["/do/0/hear"].filters == [{"type": "temperature"}, {"type": "pulse"}]
    assert run.arrive("temperature", {"celsius": 37}) == "noted: nobody listens for it"
    assert run.arrive("temperature", "no number") == "noted: nobody listens for it"
    run.arrive("pulse", {"bpm": 120})
    assert run.output == [{"bpm": 120}]


def test_any_without_filters_hears_everything() -> None:
    run = Session("do: [{hear: {listen: {to: {any: []}}}}]")
    run.start()
    assert run.subscriptions["/do/0/hear"].filters == [{}]
    run.arrive("whatever", 1)
    assert run.output == [1]


def test_all_waits_for_one_event_per_filter_in_any_order() -> None:
    run = Session("do: [{hear: {listen: {to: {all: [{with: {type: a}}, {with: {type: b}}]}}}}]")
    run.start()
    run.arrive("b", 1)
    assert run.arrive("b", 2) == "noted: nobody listens for it"
    assert run.status() is RunStatus.WAITING
    run.arrive("a", 3)
    assert run.output == [1, 3]


def test_until_is_asked_of_what_was_consumed() -> None:
    run = Session("do: [{hear: {listen: {to: {any: [], until: '( . | length ) > 2'}}}}]")
    run.start()
    for n in range(3):
        assert run.status() is RunStatus.WAITING
        run.arrive("x", n)
    assert run.output == [0, 1, 2]


def test_events_that_end_a_listener_are_not_in_its_output() -> None:
    run = Session("""
do:
  - hear:
      listen:
        to:
          any: [{with: {type: vital}}]
          until: {all: [{with: {type: signed}}, {with: {type: checked-out}}]}
""")
    run.start()
    assert len(run.subscriptions["/do/0/hear"].filters) == 3
    run.arrive("vital", 1)
    run.arrive("checked-out")
    run.arrive("vital", 2)
    run.arrive("signed")
    assert run.output == [1, 2]


def test_a_correlation_without_expectation_takes_the_first_value_for_all_filters() -> None:
    run = Session("""
do:
  - hear:
      listen:
        to:
          all:
            - {with: {type: temperature}, correlate: {room: {from: .roomid}}}
            - {with: {type: humidity}, correlate: {room: {from: .roomid}}}
""")
    run.start()
    assert run.arrive("temperature", 1) == "noted: nobody listens for it"
    run.arrive("temperature", 20, roomid="kitchen")
    assert run.arrive("humidity", 50, roomid="cellar") == "noted: nobody listens for it"
    run.arrive("humidity", 40, roomid="kitchen")
    assert run.output == [20, 40]
    assert "workflow.correlation-started" in run.words()
    done = next(entry for entry in run.entries if entry.type == "workflow.correlation-completed")
    assert done.data == {"correlationKeys": {"room": "kitchen"}}


def test_an_expected_correlation_is_known_from_the_start_and_narrows_the_subscription() -> None:
    run = Session("""
do:
  - hear:
      listen:
        to:
          one:
            with: {type: paid}
            correlate: {order: {from: .data.orderId, expect: '${ .order }'}}
""")
    run.start({"order": "o-7"})
    assert run.subscriptions["/do/0/hear"].filters == [{"type": "paid", "data.orderId": "o-7"}]
    assert run.arrive("paid", {"orderId": "o-8"}) == "noted: nobody listens for it"
    run.arrive("paid", {"orderId": "o-7"})
    assert run.output == [{"orderId": "o-7"}]


def test_attributes_may_be_expressions_on_the_input_patterns_and_objects() -> None:
    run = Session("""
do:
  - hear:
      listen:
        to:
          one: {with: {type: 'com[.].*[.]placed', source: '${ .shop }', subject: '${ startswith("s") }', data: {kind: big}}}
""")
    run.start({"shop": "/shop/1"})
    assert run.subscriptions["/do/0/hear"].filters == [{"source": "/shop/1"}]
    good: dict[str, Any] = {"source": "/shop/1", "subject": "s1"}
    assert run.arrive("com.x.placed", {"kind": "small"}, **good).startswith("noted")
    assert run.arrive("com.x.moved", {"kind": "big"}, **good).startswith("noted")
    assert run.arrive("com.x.placed", {"kind": "big"}, **{**good, "subject": "t"}).startswith("noted")
    assert run.arrive("com.x.placed", {"kind": "big"}, **{**good, "source": "/shop/2"}).startswith("noted")
    run.arrive("com.x.placed", {"kind": "big", "n": 1}, **good)
    assert run.output == [{"kind": "big", "n": 1}]


def test_expressions_in_events_are_never_evaluated() -> None:
    run = Session("do: [{hear: {listen: {to: {one: {with: {type: a}}}}}}, {s: {set: {got: '${ .[0] }'}}}]")
    run.start()
    run.arrive("a", "${ 1 + 1 }")
    assert run.output == {"got": "${ 1 + 1 }"}


FOREACH = """
do:
  - hear:
      listen: {to: {any: [{with: {type: a}}], until: '( . | length ) == 2'}}
      foreach:
        item: event
        at: i
        do: [{work: {call: acme.work, with: {event: '${ $event }', i: '${ $i }'}}}]
        output: {as: '${ {result: ., i: $i} }'}
        export: {as: '${ {last: $event} }'}
  - after: {set: {all: '${ . }', context: '${ $context }'}}
"""


def test_each_event_is_worked_on_before_the_next_and_its_result_is_what_is_kept() -> None:
    run = Session(FOREACH)
    run.start()
    assert run.arrive("a", "x") == (
        'call /do/0/hear/foreach/do/0/work acme.work {"event":"x","i":0}\nthe run is running'
    )
    assert run.arrive("a", "y") == "the run is running"
    run.complete("/do/0/hear/foreach/do/0/work", 1)
    assert run.calls[-1].arguments == b'{"event":"y","i":1}'
    run.complete("/do/0/hear/foreach/do/0/work@0.1", 2)
    assert run.output == {
        "all": [{"result": 1, "i": 0}, {"result": 2, "i": 1}],
        "context": {"last": "y"},
    }
    assert run.replayed() == run.state


def test_a_listener_without_tasks_for_each_still_transforms() -> None:
    run = Session(
        "do: [{hear: {listen: {to: {one: {with: {type: a}}}}, foreach: {output: {as: '${ .n + $index }'}}}}]"
    )
    run.start()
    run.arrive("a", {"n": 5})
    assert run.output == [5]


def test_a_timeout_ends_a_listener_and_its_subscription() -> None:
    run = Session("do: [{hear: {listen: {to: {one: {with: {type: a}}}}, timeout: {after: {seconds: 5}}}}]")
    run.start()
    run.fire_next()
    assert run.error is not None
    assert run.error.status == 408
    assert run.subscriptions == {}


def test_events_of_a_suspended_run_are_kept_until_it_is_resumed() -> None:
    run = Session(ONE)
    run.start()
    run.suspend()
    run.arrive("a.b", 1)
    assert run.status() is RunStatus.SUSPENDED
    run.resume()
    assert run.output == [1]


def test_two_listeners_may_take_the_same_event() -> None:
    run = Session("""
do:
  - both:
      fork:
        branches:
          - x: {listen: {to: {one: {with: {type: a}}}}}
          - y: {listen: {to: {one: {with: {type: a}}}}}
""")
    run.start()
    run.arrive("a", 1)
    assert run.output == [[1], [1]]


def test_an_event_that_came_before_the_listener_is_not_for_it() -> None:
    run = Session(
        "do: [{first: {listen: {to: {one: {with: {type: a}}}}}}, {second: {listen: {to: {one: {with: {type: b}}}}}}]"
    )
    run.start()
    assert run.arrive("b", "early") == "noted: nobody listens for it"
    run.arrive("a", 1)
    assert run.status() is RunStatus.WAITING
    run.arrive("b", "in time")
    assert run.output == ["in time"]


def test_emit_brings_a_whole_event_into_the_world_and_gives_it() -> None:
    run = Session("""
do:
  - tell: {emit: {event: {with: {source: 'https://x.test', type: greeted, data: {hello: '${ .name }'}}}}}
""")
    assert run.start({"name": "Ada"}) == "emit /do/0/tell greeted\nthe run is completed"
    assert run.output == run.emitted[0]
    assert run.output | {"id": "", "time": ""} == {
        "specversion": "1.0",
        "id": "",
        "source": "https://x.test",
        "type": "greeted",
        "time": "",
        "datacontenttype": "application/json",
        "data": {"hello": "Ada"},
    }


def test_an_emitted_event_has_one_id_however_often_its_block_is_retried() -> None:
    run = Session("""
do:
  - block:
      try:
        - tell: {emit: {event: {with: {type: greeted}}}}
        - work: {call: acme.work}
      catch: {retry: {limit: {attempt: {count: 1}}}}
""")
    run.start()
    run.fault("/do/0/block/try/1/work")
    assert len(run.emitted) == 2
    assert run.emitted[0]["id"] == run.emitted[1]["id"]
    assert run.emitted[0]["source"] == "/workflows/test/story"


def test_an_event_whose_type_is_no_text_is_an_expression_error() -> None:
    run = Session("do: [{tell: {emit: {event: {with: {type: '${ .type }'}}}}}]")
    run.start({"type": 5})
    assert run.error is not None
    assert (run.error.status, run.error.instance) == (400, "/do/0/tell")
