"""Answers of JetStream's API, as far as they are read (NATS ADR-1)."""

from datetime import datetime
from typing import Any

import msgspec

from visapi_common.contracts.foreign import Reader


class ApiError(msgspec.Struct, frozen=True):
    """A refusal of the API."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class Peer(msgspec.Struct, frozen=True):
    """Another server that holds the stream."""

    current: bool = False


class StreamCluster(msgspec.Struct, frozen=True):
    """The servers that hold a stream."""

    replicas: list[Peer] = []


class StreamState(msgspec.Struct, frozen=True):
    """The contents of a stream, as numbers."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0


class StreamAnswer(msgspec.Struct, frozen=True):
    """A stream, or a refusal."""

    error: ApiError | None = None
    created: str = ""
    config: dict[str, Any] = {}
    cluster: StreamCluster | None = None
    state: StreamState = StreamState()
    ts: datetime | None = None


class AckFloor(msgspec.Struct, frozen=True):
    """Up to where a consumer has everything acknowledged."""

    stream_seq: int = 0


class ConsumerAnswer(msgspec.Struct, frozen=True):
    """A consumer, or a refusal."""

    error: ApiError | None = None
    num_pending: int = 0
    ack_floor: AckFloor = AckFloor()


class StoredMessage(msgspec.Struct, frozen=True):
    """The part of a stored message that is read."""

    time: datetime


class MessageAnswer(msgspec.Struct, frozen=True):
    """A message of a stream, or a refusal."""

    error: ApiError | None = None
    message: StoredMessage | None = None


STREAM_ANSWER = Reader(StreamAnswer)
CONSUMER_ANSWER = Reader(ConsumerAnswer)
MESSAGE_ANSWER = Reader(MessageAnswer)
