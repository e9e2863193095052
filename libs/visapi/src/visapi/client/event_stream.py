"""Reads the server-sent events (HTML standard, section 9.2) of a run's history, line by line. Pure.

Only `event: end` ends a run's history. A history item never does: a run that was retried goes on after
its `workflow.faulted`.
"""

from collections.abc import Iterable, Iterator

import msgspec

from visapi.client.call import Call, path_part
from visapi.client.failures import ANSWER_BYTES_MAX
from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Unreadable, read_as
from visapi_common.contracts.runs import HistoryItem, RunStatus


class RunEnd(msgspec.Struct, frozen=True):
    """The last event of a stream: how the run ended, and the number of its last item."""

    status: RunStatus
    seq: int


class EventReader:
    """Feed it lines; it gives an event's data at each blank line. Comments are heartbeats."""

    def __init__(self) -> None:
        self._data: list[str] = []
        self._event = ""

    def feed(self, line: str) -> tuple[str, str] | None:
        """The name and data of an event that this line completes."""
        if line == "":
            done = (self._event or "message", "\n".join(self._data)) if self._data else None
            self._data, self._event = [], ""
            return done
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        return None

    def read(self, line: str) -> HistoryItem | RunEnd | None:
        """What a line completes; events of other kinds are skipped."""
        event = self.feed(line.rstrip("\r\n"))
        if event is None:
            return None
        name, data = event
        kinds: dict[str, type[HistoryItem | RunEnd]] = {"message": HistoryItem, "end": RunEnd}
        kind = kinds.get(name)
        if kind is None:
            return None
        event = read_as(kind, data.encode(), depth_max=STORED_DEPTH_MAX, bytes_max=ANSWER_BYTES_MAX)
        return None if isinstance(event, Unreadable) else event


def history_stream(run: str, after: int = 0) -> Call[None]:
    """The request for the live history of a run after an item."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(after)} if after else {})
    return Call(method="GET", path=f"/v1/runs/{path_part(run)}/history", answer=None, headers=headers)


def history_events(reader: EventReader, lines: Iterable[str]) -> Iterator[HistoryItem | RunEnd]:
    """The history items among complete events, and the run's end."""
    for line in lines:
        event = reader.read(line)
        if event is not None:
            yield event
