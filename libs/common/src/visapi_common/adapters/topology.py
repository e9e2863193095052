"""Creates and repairs the streams and consumers, idempotently. Only the orchestrator runs this.

`ENGINE` and `TASKS` hold copies of rows, so they may be lost whole: small, in memory, refusing messages when
full (`discard: new`). `LIFECYCLE` is a short window for subscribers that drops the oldest messages. `EVENTS`
and `DLQ` are files. The caller notices that a lost stream was created again, and raises the alarm.

The requests are raw: nats-py's manager is bound to one client, while the bus makes a new client for each
connection, and it decodes answers without `contracts/foreign.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from visapi_common.adapters.bus import Bus
from visapi_common.adapters.jetstream_answers import (
    CONSUMER_ANSWER,
    MESSAGE_ANSWER,
    STREAM_ANSWER,
    ApiError,
    ConsumerAnswer,
    StreamAnswer,
)
from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.core.errors import ContentFault, Fault, OperatorFault, TransientFault

T = TypeVar("T")

_SECOND = 1_000_000_000
_API_TIMEOUT_S = 3.0
_STREAM_NOT_FOUND = 10059
_CONSUMER_NOT_FOUND = 10014
_NAME_IN_USE = 10058
_MESSAGE_NOT_FOUND = 10037
_SERVER_ERROR = 500
_EXHAUSTED = frozenset({10002, 10023, 10026, 10028, 10047})
"""Errors of limits: too many consumers, too little memory or storage."""

_LEDGER_FED = {
    "retention": "workqueue",
    "storage": "memory",
    "discard": "new",
    "max_msgs": 100_000,
    "max_bytes": 96 * 1024 * 1024,
    "num_replicas": 1,
    "duplicate_window": 30 * _SECOND,
}
"""30 s of message ids, enough for a publisher that repeats after an unknown outcome. At 8,000 messages/s the
default of two minutes would be a million entries in memory."""

STREAMS: dict[str, dict[str, Any]] = {
    subjects.STREAM_ENGINE: {**_LEDGER_FED, "subjects": list(subjects.ENGINE_KINDS)},
    subjects.STREAM_TASKS: {**_LEDGER_FED, "subjects": [subjects.TASKS_ALL]},
    subjects.STREAM_EVENTS: {
        "subjects": [subjects.EVENTS_ALL],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_age": 7 * 24 * 3600 * _SECOND,
        "max_bytes": 512 * 1024 * 1024,
        "num_replicas": 1,
        "duplicate_window": 600 * _SECOND,
    },
    subjects.STREAM_DLQ: {
        "subjects": [subjects.DLQ_ALL],
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "max_age": 30 * 24 * 3600 * _SECOND,
        "max_bytes": 64 * 1024 * 1024,
        "num_replicas": 1,
        "duplicate_window": 120 * _SECOND,
    },
    subjects.STREAM_LIFECYCLE: {
        "subjects": [subjects.LIFECYCLE_ALL],
        "retention": "limits",
        "storage": "memory",
        "discard": "old",
        "max_age": 3600 * _SECOND,
        "max_bytes": 48 * 1024 * 1024,
        "num_replicas": 1,
        "duplicate_window": 30 * _SECOND,
    },
}

_OWNED = ("subjects", "retention", "storage", "discard")
"""What VisAPI relies on, and puts back. The rest of a stream is the operator's once it is made, but for
what a setting says (`StreamChoices`)."""


class StreamChoices(msgspec.Struct, frozen=True):
    """What settings say of the streams; it is put back at each start, whatever was changed on the server."""

    replicas: int | None = None
    """How many servers hold each stream."""
    bytes_max: Mapping[str, int] = {}
    """The size of a stream, by name."""

    def of(self, name: str) -> dict[str, Any]:
        chosen: dict[str, Any] = {} if self.replicas is None else {"num_replicas": self.replicas}
        return {**chosen, "max_bytes": self.bytes_max[name]} if name in self.bytes_max else chosen


NO_CHOICES = StreamChoices()

_ENGINE_ACK_WAIT_S = 5
_ENGINE_MAX_ACK_PENDING = 20_000
_EVENTS_MAX_ACK_PENDING = 2_000
_LIFECYCLE_ACK_WAIT_S = 30
_LIFECYCLE_MAX_ACK_PENDING = 1_000
_TASK_ACK_WAIT_S = 4
"""Built-in functions report progress every second and never block their event loop, so 4 s suffice, and a
lost task is redelivered within 5 s.
"""
_OWN_TASK_ACK_WAIT_S = 10
"""Other workers may block their event loop for a while, so their acknowledgement wait is longer."""


class FunctionConsumer(msgspec.Struct, frozen=True):
    """A function whose consumer is to be created; `owner` is `_` or the tenant."""

    owner: str
    function: str
    concurrency: int


class StreamView(msgspec.Struct, frozen=True):
    """A stream as it is on the server."""

    name: str
    there: bool
    storage: str = ""
    replicas: int = 0
    current: int = 0
    """Replicas that have everything, the leader among them."""
    now: datetime | None = None
    """The server's clock."""
    messages: int = 0
    bytes: int = 0


class Topology:
    """Creates missing streams and consumers. All methods raise `TransientFault` while JetStream is away."""

    def __init__(self, bus: Bus, choices: StreamChoices = NO_CHOICES) -> None:
        self._bus = bus
        self._choices = choices

    async def heal(self, functions: Iterable[FunctionConsumer] = ()) -> dict[str, str]:
        """Make every stream and consumer exist as configured; return the streams' incarnations.

        Raises `OperatorFault` when the server refuses a stream, `ContentFault` when it refuses a function.
        """
        incarnations = {name: await self._ensure_stream(name, config) for name, config in STREAMS.items()}
        for name, filters in (
            (subjects.CONSUMER_RESULTS, subjects.ENGINE_RESULTS),
            (subjects.CONSUMER_TRIGGERS, subjects.ENGINE_TRIGGERS),
        ):
            await self._ensure_consumer(subjects.STREAM_ENGINE, _engine_consumer(name, filters))
        events = _consumer(subjects.CONSUMER_EVENTS, _ENGINE_ACK_WAIT_S, _EVENTS_MAX_ACK_PENDING)
        await self._ensure_consumer(subjects.STREAM_EVENTS, {**events, "filter_subject": subjects.EVENTS_ALL})
        lifecycle = _consumer(subjects.CONSUMER_LIFECYCLE, _LIFECYCLE_ACK_WAIT_S, _LIFECYCLE_MAX_ACK_PENDING)
        await self._ensure_consumer(subjects.STREAM_LIFECYCLE, lifecycle)
        for function in functions:
            await self.ensure_function(function)
        return incarnations

    async def ensure_function(self, function: FunctionConsumer) -> str:
        """Create or update the consumer of one function and return its name."""
        name = subjects.task_consumer(function.owner, function.function)
        config = {
            **_consumer(name, _task_ack_wait_s(function.owner), function.concurrency),
            "filter_subject": subjects.task(function.owner, function.function),
        }
        await self._ensure_consumer(subjects.STREAM_TASKS, config, _function_refused)
        return name

    async def incarnations(self) -> dict[str, str]:
        """The current incarnations of the streams; a missing stream is absent."""
        found: dict[str, str] = {}
        for name in STREAMS:
            answer = await self._stream("INFO", name, {})
            if answer.error is None:
                found[name] = answer.created
        return found

    async def view(self) -> list[StreamView]:
        """The streams as they are."""
        return [_view(name, await self._stream("INFO", name, {})) for name in STREAMS]

    async def pending(self, stream: str, consumer: str) -> int | None:
        """The number of undelivered messages of a consumer; None without the consumer."""
        answer = await self._consumer("INFO", f"{stream}.{consumer}", {})
        if answer.error is None:
            return answer.num_pending
        if answer.error.err_code in (_CONSUMER_NOT_FOUND, _STREAM_NOT_FOUND):
            return None
        raise _refused(f"consumer {consumer}", answer.error)

    async def oldest(self, stream: str, subject: str) -> datetime | None:
        """The time of the oldest message left on `subject`; None without any."""
        data = await self._call(f"$JS.API.STREAM.MSG.GET.{stream}", {"seq": 1, "next_by_subj": subject})
        answer = _read(MESSAGE_ANSWER, data)
        if answer.error is None and answer.message is not None:
            return answer.message.time
        if answer.error is not None and answer.error.err_code not in (_MESSAGE_NOT_FOUND, _STREAM_NOT_FOUND):
            raise _refused(f"a look at {subject}", answer.error)
        return None

    async def _ensure_stream(self, name: str, config: dict[str, Any]) -> str:
        chosen = self._choices.of(name)
        answer = await self._stream("INFO", name, {})
        if answer.error is not None and answer.error.err_code == _STREAM_NOT_FOUND:
            answer = await self._stream("CREATE", name, {"name": name, **config, **chosen})
            if answer.error is not None and answer.error.err_code == _NAME_IN_USE:
                answer = await self._stream("INFO", name, {})
        elif answer.error is None:
            owned = {key: config[key] for key in _OWNED} | chosen
            if any(answer.config.get(key) != value for key, value in owned.items()):
                answer = await self._stream("UPDATE", name, answer.config | owned)
        if answer.error is not None:
            raise _refused(f"stream {name}", answer.error)
        return answer.created

    async def _ensure_consumer(
        self,
        stream: str,
        config: dict[str, Any],
        refused: Callable[[str, ApiError], Fault] | None = None,
    ) -> None:
        name = config["durable_name"]
        answer = await self._consumer("CREATE", f"{stream}.{name}", {"stream_name": stream, "config": config})
        if answer.error is not None:
            raise (refused or _refused)(f"consumer {name}", answer.error)

    async def _stream(self, verb: str, name: str, body: dict[str, Any]) -> StreamAnswer:
        data = await self._call(f"$JS.API.STREAM.{verb}.{name}", body)
        return _read(STREAM_ANSWER, data)

    async def _consumer(self, verb: str, name: str, body: dict[str, Any]) -> ConsumerAnswer:
        data = await self._call(f"$JS.API.CONSUMER.{verb}.{name}", body)
        return _read(CONSUMER_ANSWER, data)

    async def _call(self, subject: str, body: dict[str, Any]) -> bytes:
        message = await self._bus.request(subject, msgspec.json.encode(body) if body else b"", _API_TIMEOUT_S)
        return message.data


def _view(name: str, answer: StreamAnswer) -> StreamView:
    if answer.error is not None:
        if answer.error.err_code == _STREAM_NOT_FOUND:
            return StreamView(name, there=False)
        raise _refused(f"a look at stream {name}", answer.error)
    peers = answer.cluster.replicas if answer.cluster else []
    replicas = answer.config.get("num_replicas", 1)
    current = 1 + sum(peer.current for peer in peers)
    return StreamView(
        name,
        there=True,
        storage=answer.config.get("storage", ""),
        replicas=replicas,
        current=current,
        now=answer.ts,
        messages=answer.state.messages,
        bytes=answer.state.bytes,
    )


def _read(reader: Reader[T], data: bytes) -> T:
    """Decode an answer of JetStream. Raises `TransientFault` for an unreadable one, so that the request is
    repeated.
    """
    answer = reader(data)
    if isinstance(answer, Unreadable):
        raise TransientFault(f"JetStream's answer cannot be read: {answer.reason}")
    return answer


def _consumer(name: str, ack_wait_s: int, max_ack_pending: int) -> dict[str, Any]:
    """Explicit acks, no `backoff` (it would override the wait), endless deliveries: attempts are
    counted in PostgreSQL.
    """
    return {
        "durable_name": name,
        "ack_policy": "explicit",
        "ack_wait": ack_wait_s * _SECOND,
        "max_deliver": -1,
        "max_ack_pending": max_ack_pending,
        "deliver_policy": "all",
        "replay_policy": "instant",
    }


def _task_ack_wait_s(owner: str) -> int:
    return _TASK_ACK_WAIT_S if owner == subjects.BUILTIN else _OWN_TASK_ACK_WAIT_S


def _engine_consumer(name: str, filters: tuple[str, ...]) -> dict[str, Any]:
    config = _consumer(name, _ENGINE_ACK_WAIT_S, _ENGINE_MAX_ACK_PENDING)
    if len(filters) == 1:
        return {**config, "filter_subject": filters[0]}
    return {**config, "filter_subjects": list(filters)}


def _refused(what: str, error: ApiError) -> Fault:
    """The fault for a refused stream or consumer of VisAPI: the server is configured differently."""
    text = f"NATS refused {what}: {error.description} ({error.err_code})"
    return TransientFault(text) if error.code >= _SERVER_ERROR else OperatorFault(text, sort="nats")


def _function_refused(what: str, error: ApiError) -> Fault:
    """The fault for a refused consumer of a worker's function, which does not concern other functions."""
    if error.err_code == _STREAM_NOT_FOUND:
        return TransientFault(f"the stream for {what} is not there yet")
    if error.code >= _SERVER_ERROR or error.err_code in _EXHAUSTED:
        return _refused(what, error)
    return ContentFault(f"NATS refused {what}: {error.description} ({error.err_code})")
