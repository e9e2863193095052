"""Removes messages that VisAPI did not send from a stream that the ledger feeds.

NATS does not hold the reply subject of a message against the rights of its publisher. JetStream publishes
its acknowledgement there, and a consumer its message, and a stream stores either like any other message. So
a client could fill a stream with messages that no consumer takes. A stream that is more than half full is
sampled; when most of the samples are strays, their subjects are purged. The ledger sends again what is lost
with them.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from visapi_common.adapters.bus import Bus
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.core.errors import OperatorFault, TransientFault

T = TypeVar("T")

_API_TIMEOUT_S = 3.0
_SAMPLES = 32
_SUBJECTS_MAX = 8
"""Subjects that are purged one by one; a stream with strays on more is purged whole."""
_MESSAGE_ID = b"nats-msg-id:"


class Stored(msgspec.Struct, frozen=True):
    """A stored message without its body."""

    subject: str
    seq: int
    hdrs: bytes = b""
    """In base64, which msgspec decodes."""

    @property
    def has_id(self) -> bool:
        """Whether its publisher gave it an id, as whoever feeds a stream from the ledger does."""
        return _MESSAGE_ID in self.hdrs.lower()


class _Error(msgspec.Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class _State(msgspec.Struct, frozen=True):
    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0


class _Limits(msgspec.Struct, frozen=True):
    max_msgs: int = -1
    max_bytes: int = -1


class _Info(msgspec.Struct, frozen=True):
    error: _Error | None = None
    state: _State = _State()
    config: _Limits = _Limits()


class _Found(msgspec.Struct, frozen=True):
    error: _Error | None = None
    message: Stored | None = None


class _Purged(msgspec.Struct, frozen=True):
    error: _Error | None = None
    purged: int = 0


_read_info = Reader(_Info)
_read_found = Reader(_Found)
_read_purged = Reader(_Purged)


class RemovedStrays(msgspec.Struct, frozen=True):
    """What was removed from a stream."""

    stream: str
    subjects: list[str]
    """Of the strays that were looked at."""
    messages: int


async def remove_strays(bus: Bus, stream: str, is_stray: Callable[[Stored], bool]) -> RemovedStrays | None:
    """Remove the strays of a stream when it is more than half full and most of it are strays.

    Raises `TransientFault` while JetStream is away, and `OperatorFault` when the server refuses.
    """
    info = _read(_read_info, await _call(bus, f"STREAM.INFO.{stream}", b""))
    if info.error is not None or not _mostly_full(info):
        return None
    samples = await _samples(bus, stream, info.state)
    strays = [one for one in samples if is_stray(one)]
    if 2 * len(strays) <= len(samples):
        return None
    found = sorted({one.subject for one in strays})
    filters = found if len(found) <= _SUBJECTS_MAX else [">"]
    messages = sum([await _purge(bus, stream, subject) for subject in filters])
    return RemovedStrays(stream, found, messages)


def _mostly_full(info: _Info) -> bool:
    state, limits = info.state, info.config
    return (limits.max_msgs > 0 and 2 * state.messages > limits.max_msgs) or (
        limits.max_bytes > 0 and 2 * state.bytes > limits.max_bytes
    )


async def _samples(bus: Bus, stream: str, state: _State) -> list[Stored]:
    """Messages from everywhere in the stream, the first and the last among them."""
    span = state.last_seq - state.first_seq
    found: dict[int, Stored] = {}
    for number in range(_SAMPLES):
        seq = state.first_seq + span * number // (_SAMPLES - 1)
        body = msgspec.json.encode({"seq": max(seq, 1), "next_by_subj": ">"})
        answer = _read(_read_found, await _call(bus, f"STREAM.MSG.GET.{stream}", body))
        if answer.message is not None:
            found[answer.message.seq] = answer.message
    return list(found.values())


async def _purge(bus: Bus, stream: str, subject: str) -> int:
    body = msgspec.json.encode({"filter": subject})
    answer = _read(_read_purged, await _call(bus, f"STREAM.PURGE.{stream}", body))
    if answer.error is not None:
        refused = answer.error
        raise OperatorFault(
            f"NATS refused to purge stream {stream}: {refused.description} ({refused.err_code})", sort="nats"
        )
    return answer.purged


async def _call(bus: Bus, what: str, body: bytes) -> bytes:
    return (await bus.request(f"$JS.API.{what}", body, _API_TIMEOUT_S)).data


def _read(reader: Reader[T], data: bytes) -> T:
    answer = reader(data)
    if isinstance(answer, Unreadable):
        raise TransientFault(f"JetStream's answer cannot be read: {answer.reason}")
    return answer
