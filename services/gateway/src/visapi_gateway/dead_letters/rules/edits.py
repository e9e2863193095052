"""Which dead letters may be edited, and the checks of a replacement for their event. Pure."""

from collections.abc import Sequence

import msgspec

from visapi_common.contracts.dead_letters import EDITABLE, UNREADABLE
from visapi_common.contracts.foreign import Unreadable
from visapi_common.core.cloudevents import HOOK_SOURCES, TEST_IDS, read_event


class WantedEvent(msgspec.Struct, frozen=True):
    """A replacement as JSON. `names`: the source, id and type that the replacement must have; empty where any
    are allowed.
    """

    event: bytes
    names: list[str]

    def encoded(self) -> bytes:
        return _encode(self)


class CheckedEvent(msgspec.Struct, frozen=True):
    """The replacement as the ledger stores it, or its `flaw`."""

    body: bytes
    flaw: str = ""


_NAMES = ("source", "id", "type")
_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode
_read = msgspec.msgpack.Decoder(WantedEvent).decode
read_checked = msgspec.msgpack.Decoder(CheckedEvent).decode


def why_not_edited(kind: str, reason: str, item: Sequence[str], *, published: bool) -> str | None:
    """Why the event of an open dead letter may not be replaced; None where it may. `published`: the event is
    also published, or may have been.
    """
    if kind not in EDITABLE or reason == UNREADABLE:
        return (
            f"it is of kind {kind!r} and reason {reason!r}; only events that were not stored or not matched "
            "are edited, because no receiver and no run has got them"
        )
    if kind == "message":
        return None
    if item[0].startswith(HOOK_SOURCES):
        return (
            "its event came through a hook, which verified the sender of every byte; replay the dead letter "
            "unchanged, or have the provider send another webhook"
        )
    if published:
        return (
            "its event is also published, or may have been, so receivers may have the original event; replay "
            "the dead letter unchanged, or have the sender send another event"
        )
    return None


def names_kept(kind: str, item: Sequence[str]) -> list[str]:
    """The source, id and type that a replacement must have: those that the sender gave, without the prefix of
    rows of test keys. Empty where any are allowed.
    """
    if kind == "message":
        return []
    source, ident, *rest = item
    return [source, ident.removeprefix(TEST_IDS), *rest]


def check_edit(payload: bytes) -> bytes:
    """A job: takes an encoded `WantedEvent` and returns an encoded `CheckedEvent`."""
    wanted = _read(payload)
    event = read_event({}, wanted.event)
    if isinstance(event, Unreadable):
        return _encode(CheckedEvent(b"", event.reason))
    for name, kept in zip(_NAMES, wanted.names, strict=False):
        if event[name] != kept:
            return _encode(
                CheckedEvent(
                    b"", f"{name} must stay {kept!r}, because a replacement keeps the identity of its event"
                )
            )
    return _encode(CheckedEvent(_json(event)))
