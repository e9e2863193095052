"""From the input of a task to what is to be sent: read, its handles swapped, the request built. Pure.

An input is of a size and shape that a tenant chose, up to 16 MiB. So one function of plain data does all of
the work, called in the event loop for a small input and in a bounded process for a large one; what is handed
back is built, and costs whoever takes it no more than its bytes.
"""

from typing import Any

import msgspec

from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Reader, Unreadable
from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_common.core.errors import ProblemError
from visapi_common.core.secret_handles import HANDLE_MARK
from visapi_notifier.accounts.rules import revealing
from visapi_notifier.accounts.rules.inputs import Named, Wish
from visapi_notifier.outbound.rules.channel import Channel

_read = Reader(Any, depth_max=STORED_DEPTH_MAX, bytes_max=PAYLOAD_LIMIT, nul=True)

IN_LOOP_BYTES = 64 * 1024
"""Of an input with the values of its handles: preparing the dearest one that was found takes below 10 ms."""


def is_dear(wish: Wish) -> bool:
    """Whether preparing the input would hold up an event loop."""
    size = len(wish.input)
    if size <= IN_LOOP_BYTES and wish.values:
        # A handle may stand there as often as it fits, and its value may be long.
        size += wish.input.count(HANDLE_MARK) * max(
            len(msgspec.json.encode(value)) for _, value in wish.values
        )
    return size > IN_LOOP_BYTES


def prepare(wish: Wish, channel: Channel[Any, Any]) -> Any:
    """What is to be sent, of the channel's `call`, or `Named`.

    Raises `ProblemError`, and `EgressRefused` for what can never be sent.
    """
    value = _read(wish.input)
    if isinstance(value, Unreadable):
        raise ProblemError("invalid_input", f"{wish.function}: {value.reason}")
    if wish.key is not None:
        known = dict(wish.values)
        absent = revealing.paths_in(value, wish.key) - known.keys()
        if absent:
            return Named(sorted(absent))
        if known:
            value = revealing.reveal(value, wish.key, known)
    return channel.prepare(converted(value, channel.input))


def converted(value: Any, kind: type[Any]) -> Any:
    """The input as its struct. Raises `ProblemError` that says where it is wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as wrong:
        raise ProblemError("invalid_input", str(wrong)) from wrong
