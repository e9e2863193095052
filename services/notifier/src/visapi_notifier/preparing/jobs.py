"""Large inputs as jobs of bounded processes: see `rules.py`."""

import gc
from typing import Any

import msgspec

from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import ProblemError
from visapi_notifier.channels import declared
from visapi_notifier.credentials.rules.inputs import PrepareRequest, SecretsNeeded
from visapi_notifier.outbound.rules.job_answers import Problem, Refusal, failure_of, failure_struct
from visapi_notifier.preparing.rules import prepare


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """A call in MessagePack; its shape is in the declaration of the channel."""

    call: msgspec.Raw


_Said = SecretsNeeded | Prepared | Problem | Refusal
_encode = msgspec.msgpack.Encoder().encode
_read_request = msgspec.msgpack.Decoder(PrepareRequest).decode
_read_said = msgspec.msgpack.Decoder[_Said](_Said).decode


def encode(request: PrepareRequest) -> bytes:
    """What `prepare_input` takes."""
    return _encode(request)


def read_prepared(function: str, result: bytes) -> Any:
    """What `prepare_input` gave: `SecretsNeeded`, or a call. Raises `ProblemError` or `EgressRefused`."""
    said = _read_said(result)
    if isinstance(said, SecretsNeeded):
        return said
    if isinstance(said, Problem | Refusal):
        raise failure_of(said)
    return msgspec.msgpack.decode(said.call, type=declared()[function].call)


def prepare_input(payload: bytes) -> bytes:
    """A job: takes a `PrepareRequest`, returns the call or `SecretsNeeded`."""
    gc.disable()  # the process ends with the job; a collection would traverse millions of containers
    request = _read_request(payload)
    try:
        call = prepare(request, declared()[request.function])
    except (ProblemError, EgressRefused) as refused:
        return _encode(failure_struct(refused))
    return _encode(call if isinstance(call, SecretsNeeded) else Prepared(msgspec.Raw(_encode(call))))


def warm_up() -> None:
    """Import and build everything that the first job needs, because a job may open few files."""
    for channel in declared().values():
        for value in channel.samples:
            request = PrepareRequest(channel.name, msgspec.json.encode(value), b"k", [(("a",), "x")])
            try:
                read_prepared(channel.name, prepare_input(encode(request)))
            except ProblemError:
                continue
    gc.enable()
