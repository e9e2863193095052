"""Prepares the input of a task: decodes the input, replaces secret handles, builds the call. Pure.

A tenant chooses the size and the shape of an input, up to 16 MiB. Therefore one pure function does all of the
work: in the event loop for a small input, in a bounded process for a large one.
"""

from typing import Any

import msgspec

from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Reader, Unreadable
from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_common.core.errors import ProblemError
from visapi_common.core.secret_handles import HANDLE_MARK
from visapi_notifier.credentials.rules import revealing
from visapi_notifier.credentials.rules.inputs import PrepareRequest, SecretsNeeded
from visapi_notifier.outbound.rules.channel import Channel

_read = Reader(Any, depth_max=STORED_DEPTH_MAX, bytes_max=PAYLOAD_LIMIT, nul=True)

IN_LOOP_BYTES = 64 * 1024
"""Of an input with the values of its handles: preparing the worst one that was found takes below 10 ms."""


def is_expensive(request: PrepareRequest) -> bool:
    """Whether preparing the input would block the event loop."""
    size = len(request.input)
    if size <= IN_LOOP_BYTES and request.values:
        # A handle may stand there as often as it fits, and its value may be long.
        size += request.input.count(HANDLE_MARK) * max(
            len(msgspec.json.encode(value)) for _, value in request.values
        )
    return size > IN_LOOP_BYTES


def prepare(request: PrepareRequest, channel: Channel[Any, Any]) -> Any:
    """The call, of the channel's type `call`, or `SecretsNeeded`.

    Raises `ProblemError`, and `EgressRefused` for a destination that may never be reached.
    """
    value = _read(request.input)
    if isinstance(value, Unreadable):
        raise ProblemError("invalid_input", f"{request.function}: {value.reason}")
    if request.key is not None:
        known = dict(request.values)
        absent = revealing.paths_in(value, request.key) - known.keys()
        if absent:
            return SecretsNeeded(sorted(absent))
        if known:
            value = revealing.reveal(value, request.key, known)
    return channel.prepare(converted(value, channel.input))


def converted(value: Any, kind: type[Any]) -> Any:
    """The input as its struct. Raises `ProblemError` that says where it is wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as wrong:
        raise ProblemError("invalid_input", str(wrong)) from wrong
