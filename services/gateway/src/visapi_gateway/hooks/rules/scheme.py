"""What each provider defines: how its requests are verified, what they say, and what its secrets look like.
Pure.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import msgspec

from visapi_common.contracts.hooks import HookSettings
from visapi_gateway.hooks.rules.requests import HookRequest, Refused, Verdict

SECRET_MIN = 16
"""The least length of a secret: a shorter one can be guessed from one signed request."""
_EVENT_MAX = 200
_NOT_IN_EVENT = re.compile(r"[^A-Za-z0-9_-]+")
_STEP = re.compile(r"~[01]")


class Description(msgspec.Struct, frozen=True):
    """What a request says about itself: the id of its delivery, the name of its event, perhaps a subject."""

    id: str
    event: str
    subject: str | None = None


class Challenge(msgspec.Struct, frozen=True):
    """The request asks for a text to be sent back; it is no event."""

    text: str


Verify = Callable[[HookRequest, Sequence[str], HookSettings, datetime], Verdict]
"""The request, the secrets that are valid now, and the time."""
Describe = Callable[[HookRequest, Any, HookSettings], Description | Refused | Challenge]
"""The request, and its body as data."""


def long_enough(secret: str) -> str | None:
    """Why a text is no good secret; None when it is."""
    return None if len(secret) >= SECRET_MIN else f"needs {SECRET_MIN} characters or more"


def as_hex(random: bytes) -> str:
    return random.hex()


@dataclass(frozen=True, slots=True)
class ProviderRules:
    """See the module's docstring. The functions are pure."""

    verify: Verify
    describe: Describe
    generates: bool = False
    """Whether a secret may be generated here, because the provider takes one from its user."""
    mint: Callable[[bytes], str] = as_hex
    """A secret from random bytes."""
    secret_flaw: Callable[[str], str | None] = long_enough
    needs_secret: bool = True
    greets: bool = False
    """Whether the provider asks for a handshake before it sends."""
    configurable: bool = False
    """Whether `id_from` and `event_from` may be set."""
    accepted: int = 202
    """The status of an accepted request: some providers take 200 alone for success."""
    silent: bool = False
    """Whether the response has no body, because the provider would show it to somebody."""


def event_name(text: Any, otherwise: str = "unknown") -> str:
    """A provider's name of an event as parts of an event type: `orders/create` becomes `orders.create`."""
    if not isinstance(text, str):
        return otherwise
    parts = (_NOT_IN_EVENT.sub("_", part).strip("_") for part in re.split(r"[./:]", text[:_EVENT_MAX]))
    return ".".join(part for part in parts if part) or otherwise


def at(data: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901); None where there is none."""
    value = data
    for step in pointer.split("/")[1:]:
        name = _STEP.sub(lambda found: "~" if found[0] == "~0" else "/", step)
        if isinstance(value, dict):
            value = cast("dict[str, Any]", value).get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and len(name) < len("1000000"):
            items = cast("list[Any]", value)
            value = items[int(name)] if int(name) < len(items) else None
        else:
            return None
    return value


def text_at(data: Any, *pointers: str) -> str | None:
    """The first text or whole number at one of the pointers."""
    for pointer in pointers:
        value = at(data, pointer)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def found_at(place: str, request: HookRequest, data: Any) -> str | None:
    """What stands at a `ValuePlace`: a pointer into the body, or a header."""
    return text_at(data, place) if place.startswith("/") else request.header(place)


def mint_standard(random: bytes) -> str:
    """A secret of Standard Webhooks."""
    return f"whsec_{b64encode(random).decode()}"
