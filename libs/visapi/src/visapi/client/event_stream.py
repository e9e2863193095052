"""Reads server-sent events (HTML standard, section 9.2), line by line. Pure."""

from collections.abc import Iterable, Iterator

import msgspec

from visapi_common.contracts.runs import HistoryItem


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


def history_items(reader: EventReader, lines: Iterable[str]) -> Iterator[HistoryItem]:
    """The history items among complete events; other events are skipped."""
    for line in lines:
        event = reader.feed(line.rstrip("\r\n"))
        if event is not None and (item := as_item(event[1])) is not None:
            yield item


def as_item(data: str) -> HistoryItem | None:
    try:
        return msgspec.json.decode(data, type=HistoryItem)
    except msgspec.MsgspecError:
        return None


def ends_run(item: HistoryItem) -> bool:
    """Whether nothing follows this item: lifecycle words of the specification for an ended workflow."""
    return item.type in {"workflow.completed", "workflow.faulted", "workflow.cancelled"}
