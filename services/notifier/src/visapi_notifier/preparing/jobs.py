"""Large inputs as jobs of bounded processes: see `rules.py`."""

import gc
from typing import Any

import msgspec

from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import ProblemError
from visapi_notifier.accounts.rules.inputs import Named, Wish
from visapi_notifier.channels import declared
from visapi_notifier.outbound.rules.job_answers import Problem, Refusal, failure, told
from visapi_notifier.preparing.rules import prepare


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """A call in MessagePack; its shape is in the declaration of the channel."""

    call: msgspec.Raw


_Said = Named | Prepared | Problem | Refusal
_encode = msgspec.msgpack.Encoder().encode
_read_wish = msgspec.msgpack.Decoder(Wish).decode
_read_said = msgspec.msgpack.Decoder[_Said](_Said).decode


def encode(wish: Wish) -> bytes:
    """What `prepare_input` takes."""
    return _encode(wish)


def read_prepared(function: str, result: bytes) -> Any:
    """What `prepare_input` gave: `Named`, or a call. Raises `ProblemError` or `EgressRefused`."""
    said = _read_said(result)
    if isinstance(said, Named):
        return said
    if isinstance(said, Problem | Refusal):
        raise failure(said)
    return msgspec.msgpack.decode(said.call, type=declared()[function].call)


def prepare_input(payload: bytes) -> bytes:
    """A job: a `Wish`; what is to be sent."""
    gc.disable()  # the process ends with the job; until then millions of containers would be gone through
    wish = _read_wish(payload)
    try:
        call = prepare(wish, declared()[wish.function])
    except (ProblemError, EgressRefused) as refused:
        return _encode(told(refused))
    return _encode(call if isinstance(call, Named) else Prepared(msgspec.Raw(_encode(call))))


def warm_up() -> None:
    """Have everything imported and built that a first job would: a job may open few files."""
    for channel in declared().values():
        for value in channel.samples:
            wish = Wish(channel.name, msgspec.json.encode(value), b"k", [(("a",), "x")])
            try:
                read_prepared(channel.name, prepare_input(encode(wish)))
            except ProblemError:
                continue
    gc.enable()
