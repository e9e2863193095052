"""The changes of all runs as a stream tells them (`GET /v1/runs/changes`), and the place in it. Pure."""

from collections.abc import Sequence

import msgspec

from visapi.client.call import Call
from visapi.client.event_stream import EventReader
from visapi.client.failures import ANSWER_BYTES_MAX
from visapi_common.contracts.foreign import Unreadable, read_as
from visapi_common.contracts.runs import RunChange

ATTEMPTS = 60
"""Broken streams in a row after which a follower of all runs gives up: some minutes."""


class Missed(msgspec.Struct, frozen=True):
    """Changes were missed before the next one: list the runs, and go on."""


class AllRuns:
    """Follows the runs of `namespace/name` or of a namespace, or all; of these the changes of some types, or
    all; from a position on, or from now on. `position` moves with what was read.
    """

    def __init__(
        self, workflow: str | None = None, types: Sequence[str] = (), position: str | None = None
    ) -> None:
        self.position = position
        self._workflow = workflow
        self._types = list(types)
        self._given = position
        self._events = EventReader()

    def call(self) -> Call[None]:
        """The request that begins the stream, or goes on with it."""
        self._events, self._given = EventReader(), self.position
        params: dict[str, str | list[str]] = {"type": self._types} if self._types else {}
        if self._workflow is not None:
            params["workflow"] = self._workflow
        headers = {"Accept": "text/event-stream"}
        if self.position is not None:
            headers["Last-Event-ID"] = self.position
        return Call(method="GET", path="/v1/runs/changes", answer=None, params=params, headers=headers)

    def read(self, line: str) -> RunChange | Missed | None:
        """What a line completes."""
        line = line.rstrip("\r\n")
        field, _, value = line.partition(":")
        if field == "id":
            self._given = value.removeprefix(" ")
        event = self._events.feed(line)
        if line == "":
            self.position = self._given
        if event is None:
            return None
        name, data = event
        if name == "reset":
            return Missed()
        if name != "message":
            return None
        change = read_as(RunChange, data.encode(), bytes_max=ANSWER_BYTES_MAX)
        return None if isinstance(change, Unreadable) else change
