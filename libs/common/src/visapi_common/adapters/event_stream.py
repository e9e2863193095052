"""The stream of outside producers, as the orchestrator bounds what one tenant puts into it.

What was accepted is never removed before it was taken in. A tenant beyond its share is refused instead: its
subjects are taken out of the stream, so that nobody answers its publishes, and its producers' PubAcks fail.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from visapi_common.adapters.bus import Bus
from visapi_common.adapters.jetstream_answers import (
    CONSUMER_ANSWER,
    STREAM_ANSWER,
    ApiError,
    StreamAnswer,
)
from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import MESSAGE_BYTES_MAX, Reader, Unreadable
from visapi_common.core.errors import OperatorFault, TransientFault

T = TypeVar("T")

_API_TIMEOUT_S = 3.0
_SAMPLES = 16
"""A message is read whole, so there are few."""
_RECORD_BYTES = 30
"""What the stream's file adds to each message."""
_FOUND_BYTES_MAX = 2 * MESSAGE_BYTES_MAX
"""A message as Base64, in JSON."""
_STREAM = subjects.STREAM_EVENTS


class _Stored(msgspec.Struct, frozen=True):
    subject: str
    seq: int
    hdrs: bytes = b""
    data: bytes = b""

    @property
    def size(self) -> int:
        return _RECORD_BYTES + len(self.subject) + len(self.hdrs) + len(self.data)


class _Found(msgspec.Struct, frozen=True):
    error: ApiError | None = None
    message: _Stored | None = None


class _Done(msgspec.Struct, frozen=True):
    error: ApiError | None = None


_read_found = Reader(_Found, bytes_max=_FOUND_BYTES_MAX)
_read_done = Reader(_Done)


class EventLoad(msgspec.Struct, frozen=True):
    """How full the stream is, and whose subjects it takes (None: everybody's)."""

    messages: int
    bytes_held: int
    bytes_max: int
    first_seq: int
    last_seq: int
    tenants: frozenset[str] | None


class EventStream:
    """See the module's docstring. Every method raises `TransientFault` while JetStream is away."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def load(self) -> EventLoad:
        info = await self._info()
        taken = frozenset(info.config.get("subjects") or [subjects.EVENTS_ALL])
        everybody = subjects.EVENTS_ALL in taken
        return EventLoad(
            messages=info.state.messages,
            bytes_held=info.state.bytes,
            bytes_max=info.config.get("max_bytes", -1),
            first_seq=info.state.first_seq,
            last_seq=info.state.last_seq,
            tenants=None if everybody else frozenset(map(subjects.event_tenant, taken)),
        )

    async def forget_taken(self) -> None:
        """Remove the messages that were taken in, from the first on."""
        consumer = await self._call(
            CONSUMER_ANSWER, f"CONSUMER.INFO.{_STREAM}.{subjects.CONSUMER_EVENTS}", {}
        )
        if consumer.error is None and consumer.ack_floor.stream_seq:
            done = await self._call(
                _read_done, f"STREAM.PURGE.{_STREAM}", {"seq": consumer.ack_floor.stream_seq + 1}
            )
            _check(done.error, "purge")

    async def shares(self, load: EventLoad) -> dict[str, float]:
        """Each tenant's part of the bytes that the stream holds, by samples from everywhere in it.

        Samples that are smaller than the average message stand for their own size only: tenants with many
        small messages are not charged for the few large ones of another, which no sample has met.
        """
        span = load.last_seq - load.first_seq
        sizes: dict[int, tuple[str, int]] = {}
        for number in range(_SAMPLES):
            seq = load.first_seq + span * number // (_SAMPLES - 1)
            body = {"seq": max(seq, 1), "next_by_subj": subjects.EVENTS_ALL}
            found = (await self._call(_read_found, f"STREAM.MSG.GET.{_STREAM}", body)).message
            if found is not None:
                sizes[found.seq] = (subjects.event_tenant(found.subject), found.size)
        average = load.bytes_held / max(load.messages, 1)
        whole = max(sum(size for _, size in sizes.values()), average * len(sizes))
        shares: dict[str, float] = {}
        for tenant, size in sizes.values():
            shares[tenant] = shares.get(tenant, 0.0) + size / whole
        return shares

    async def take_from(self, tenants: Sequence[str] | None) -> None:
        """Take the events of these tenants alone, or of everybody."""
        info = await self._info()
        wanted = [subjects.EVENTS_ALL] if tenants is None else [subjects.event(one, ">") for one in tenants]
        done = await self._call(_read_done, f"STREAM.UPDATE.{_STREAM}", {**info.config, "subjects": wanted})
        _check(done.error, "update")

    async def _info(self) -> StreamAnswer:
        info = await self._call(STREAM_ANSWER, f"STREAM.INFO.{_STREAM}", {})
        _check(info.error, "show")
        return info

    async def _call(self, reader: Reader[T], what: str, body: dict[str, Any]) -> T:
        data = msgspec.json.encode(body) if body else b""
        answer = reader((await self._bus.request(f"$JS.API.{what}", data, _API_TIMEOUT_S)).data)
        if isinstance(answer, Unreadable):
            raise TransientFault(f"JetStream's answer cannot be read: {answer.reason}")
        return answer


def _check(error: ApiError | None, what: str) -> None:
    if error is not None:
        raise OperatorFault(
            f"NATS refused to {what} stream {_STREAM}: {error.description} ({error.err_code})", sort="nats"
        )
