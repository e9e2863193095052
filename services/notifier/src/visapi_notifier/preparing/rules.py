"""From the input of a task to what is to be sent: read, its handles swapped, the request built. Pure.

An input is of a size and shape that a tenant chose, up to 16 MiB. So one function of plain data does all of
the work, called in the event loop for a small input and in a bounded process for a large one; what is handed
back is built, and costs whoever takes it no more than its bytes.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Reader, Unreadable
from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_common.core.errors import ProblemError
from visapi_common.core.secret_handles import HANDLE_MARK
from visapi_notifier.accounts.rules import revealing
from visapi_notifier.accounts.rules.inputs import Named, Wish
from visapi_notifier.channels.email.rules import message as email
from visapi_notifier.channels.email.rules.message import EmailCall, EmailInput
from visapi_notifier.channels.http import rules as http
from visapi_notifier.channels.http.rules import HttpCall, HttpInput
from visapi_notifier.channels.openapi.rules import OpenApiCall, OpenApiInput, openapi_call
from visapi_notifier.channels.slack import rules as slack
from visapi_notifier.channels.slack.rules import SlackInput
from visapi_notifier.channels.webhook.rules import request as webhook
from visapi_notifier.channels.webhook.rules.request import WebhookCall, WebhookInput

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


Call = HttpCall | OpenApiCall | WebhookCall | SlackInput | EmailCall


def prepare(wish: Wish) -> Named | Call:
    """What is to be sent. Raises `ProblemError`, and `EgressRefused` for what can never be sent."""
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
    return PREPARED[wish.function](value)


def converted(value: Any, kind: type[Any]) -> Any:
    """The input as its struct. Raises `ProblemError` that says where it is wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as wrong:
        raise ProblemError("invalid_input", str(wrong)) from wrong


PREPARED: dict[str, Callable[[Any], Call]] = {
    "http.request": lambda value: http.call_of(converted(value, HttpInput)),
    "openapi.request": lambda value: openapi_call(converted(value, OpenApiInput)),
    "notify.webhook": lambda value: webhook.call_of(converted(value, WebhookInput)),
    "notify.slack": lambda value: slack.checked(converted(value, SlackInput)),
    "notify.email": lambda value: email.call_of(converted(value, EmailInput)),
}
"""By function: its input without any handle; what is to be sent."""
