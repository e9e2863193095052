"""The listener of a schedule collects the events of each correlation apart.

The first event of a correlation begins its collection, further ones join it, and the one that completes it
starts the run. The key of a collection is made of the correlations that all filters name: where a filter
lacks one of them, nobody could say which collection its event belongs to. A `listen` within a run is
different: it ends once, and the first values that it finds count (dsl-reference, Correlation).
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from visapi_common.core.event_keys import hashed
from visapi_engine.machine.collections import Collection, Collections
from visapi_engine.machine.commands import DropCollection, KeepCollection, RefuseEvent
from visapi_engine.machine.consumption import matches
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.faults import TaskFault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.outcomes import Opened, Outcome
from visapi_engine.machine.state import ListenFrame
from visapi_engine.model.listeners import shared_names
from visapi_engine.model.program import Consumption, EventFilter, ListenNode

Take = Callable[[Draft, Task, ListenNode, ListenFrame, dict[str, Any]], Outcome | None]
"""How one listener takes an event."""

_encode = msgspec.json.Encoder().encode


class _Collecting(NamedTuple):
    """A listener of a schedule, and the collections of it."""

    draft: Draft
    task: Task
    node: ListenNode
    frame: ListenFrame
    collections: Collections
    names: list[str]


def offered(
    draft: Draft, task: Task, node: ListenNode, frame: ListenFrame, event: dict[str, Any], *, take: Take
) -> Outcome | None:
    """As `listen.offered`, which is given as `take`: the event joins, begins or completes a collection."""
    assert draft.collections is not None, "only a schedule that is given its collections"
    here = _Collecting(draft, task, node, frame, draft.collections, shared_names(node.to))
    if not _adopted(here):
        return None
    for key in _keys(here, event):
        if not here.collections.knows(key):
            return None
        outcome = _joined(here, key, event, take)
        if outcome is not None:
            return outcome
    return None


def _joined(here: _Collecting, key: str, event: dict[str, Any], take: Take) -> Outcome | None:
    """What becomes of the event in the collection of this key; None if it has no place there."""
    draft, frame, collections = here.draft, here.frame, here.collections
    found = collections.get(key) or Collection(began_ms=draft.now_ms)
    part = ListenFrame(
        input=frame.input,
        expected=frame.expected,
        until_expected=frame.until_expected,
        correlations=found.correlations,
        matched=found.matched,
        until_matched=found.until_matched,
        consumed=found.consumed,
    )
    try:
        outcome = take(draft, here.task, here.node, part, event)
    except TaskFault as fault:
        # `until` fails on what was collected with this event: the schedule goes on without the event.
        _refuse(draft, event, fault.error.detail or fault.error.title or fault.error.type)
        return Opened()
    if outcome is None:
        return None
    if not isinstance(outcome, Opened):
        if collections.drop(key):
            draft.commands.append(DropCollection(key))
        return outcome
    body = collections.keep(key, _collection_of(part, found.began_ms))
    if isinstance(body, str):
        _refuse(draft, event, body)
    else:
        draft.commands.append(KeepCollection(key, body, found.began_ms))
    return outcome


def _refuse(draft: Draft, event: dict[str, Any], reason: str) -> None:
    source, identity = str(event["source"]), str(event["id"])
    draft.commands.append(RefuseEvent(_encode(event), source, identity, reason, draft.now_ms))


def _collection_of(part: ListenFrame, began_ms: int) -> Collection:
    return Collection(
        correlations=part.correlations,
        matched=part.matched,
        until_matched=part.until_matched,
        consumed=part.consumed,
        began_ms=began_ms,
    )


def _adopted(here: _Collecting) -> bool:
    """An earlier release kept the events of one correlation in the frame: they become a collection. Whether
    that is done, or nothing was to be done.
    """
    draft, frame, collections = here.draft, here.frame, here.collections
    if not (frame.consumed or frame.matched or frame.until_matched):
        return True
    key = _key([frame.correlations.get(name) for name in here.names])
    if not collections.knows(key):
        return False
    body = collections.keep(key, _collection_of(frame, draft.now_ms))
    if isinstance(body, bytes):
        draft.commands.append(KeepCollection(key, body, draft.now_ms))
    frame.consumed, frame.matched, frame.until_matched, frame.correlations = [], [], [], {}
    return True


def _keys(here: _Collecting, event: dict[str, Any]) -> Iterator[str]:
    """The keys of an event: one, unless filters that both take it find different values in it."""
    seen: set[str] = set()
    for wanted, fixed in _filters(here.node.to, here.frame):
        found = matches(here.draft, here.task, wanted, fixed, event, known={})
        if found is None:
            continue
        key = _key([found[name] for name in here.names])
        if key not in seen:
            seen.add(key)
            yield key


def _filters(to: Consumption, frame: ListenFrame) -> Iterator[tuple[EventFilter, dict[str, Any]]]:
    if to.until_events is not None:
        yield from zip(to.until_events.filters, frame.until_expected, strict=True)
    yield from zip(to.filters, frame.expected, strict=True)


def _key(values: list[Any]) -> str:
    return hashed(values).hex()
