"""Which tenant holds how much of `EVENTS`, by samples."""

import base64
from typing import Any, NamedTuple, cast

import msgspec

from visapi_common.adapters.bus import Bus
from visapi_common.adapters.event_stream import EventStream

RECORD = 30


class Event(NamedTuple):
    tenant: str
    data: int = 0
    headers: int = 0

    @property
    def size(self) -> int:
        return RECORD + len(f"visapi.events.{self.tenant}.a") + self.data + self.headers


class Answer(NamedTuple):
    data: bytes


class Server:
    """Answers as JetStream does about a stream with these events."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    async def request(self, subject: str, body: bytes, _timeout_s: float) -> Answer:
        answer: dict[str, Any]
        if subject.startswith("$JS.API.STREAM.INFO."):
            state = {
                "messages": len(self._events),
                "bytes": sum(one.size for one in self._events),
                "first_seq": 1,
                "last_seq": len(self._events),
            }
            answer = {"state": state, "config": {"max_bytes": 1, "subjects": ["visapi.events.>"]}}
        else:
            seq = msgspec.json.decode(body)["seq"]
            one = self._events[seq - 1]
            message = {"subject": f"visapi.events.{one.tenant}.a", "seq": seq}
            for name, size in (("hdrs", one.headers), ("data", one.data)):
                message[name] = base64.b64encode(b"x" * size).decode()
            answer = {"message": message}
        return Answer(msgspec.json.encode(answer))


async def shares(events: list[Event]) -> dict[str, float]:
    stream = EventStream(cast(Bus, Server(events)))
    return await stream.shares(await stream.load())


async def test_events_of_the_largest_size_are_counted():
    found = await shares([Event("big", data=1_000_000), Event("small", data=10)] * 10)
    assert found["big"] > 0.8


async def test_headers_count_as_what_they_are_part_of():
    found = await shares([Event("big", headers=900_000), Event("small", data=10_000)] * 10)
    assert found["big"] > 0.8


async def test_many_small_events_are_not_charged_for_large_ones_that_no_sample_met():
    """The samples are the events 1, 68, 135 and so on up to the last."""
    events = [Event("small", data=100)] * 1001
    events[30:34] = [Event("big", data=1_000_000)] * 4
    found = await shares(events)
    assert found["small"] < 0.05
