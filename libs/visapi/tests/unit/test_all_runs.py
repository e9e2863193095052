"""The client's place in the stream of all runs."""

from uuid import UUID

from visapi.client.all_runs import AllRuns, Missed
from visapi_common.contracts.runs import RunChange

CHANGE = (
    'data: {"run":"01900000-0000-7000-8000-000000000001","workflow":{"namespace":"a","name":"b","version":'
    '"1.0.0"},"seq":1,"type":"workflow.started","time":"2026-01-01T00:00:00Z","test":false}'
)


def test_a_follower_goes_on_after_the_last_event_that_it_has_read_whole():
    following = AllRuns("a/b", ["workflow.started"])
    assert following.call().params == {"workflow": "a/b", "type": ["workflow.started"]}
    assert "Last-Event-ID" not in following.call().headers
    said = ["retry: 1000", "", "id: one", "event: begin", "data: {}", "", "id: two", CHANGE, "", "id: three"]
    told = [found for line in said if (found := following.read(line)) is not None]
    changes = [one for one in told if isinstance(one, RunChange)]
    assert [(one.run, one.seq) for one in changes] == [(UUID("01900000-0000-7000-8000-000000000001"), 1)]
    assert following.call().headers["Last-Event-ID"] == "two"


def test_a_heartbeat_moves_the_place_and_a_reset_is_told():
    following = AllRuns(position="zero")
    assert [following.read(line) for line in (": ping", "id: one", "")] == [None] * 3
    assert following.position == "one"
    told = [following.read(line) for line in ("id: two", "event: reset", "data: {}", "")]
    assert told == [None, None, None, Missed()]
    assert following.position == "two"
