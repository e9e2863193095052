"""Standard Webhooks: `webhook-signature: v1,<base64> …` over `<webhook-id>.<webhook-timestamp>.<body>`.

Svix sends the same under names of its own (`svix-id`, …).
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from visapi_common.contracts.hooks import HookSettings
from visapi_gateway.hooks.rules.requests import MISSING, WRONG, HookRequest, Refused, Verdict, fresh
from visapi_gateway.hooks.rules.scheme import Description, ProviderRules, event_name, mint_standard, text_at
from visapi_gateway.hooks.rules.signing import is_signed

PREFIX = "whsec_"
_VERSION = "v1,"
_KEY_MIN, _KEY_MAX = 16, 128


def _header(request: HookRequest, name: str) -> str | None:
    own = request.header(f"webhook-{name}")
    return request.header(f"svix-{name}") if own is None else own


def _verify(request: HookRequest, secrets: Sequence[str], settings: HookSettings, now: datetime) -> Verdict:
    ident, timestamp, header = (_header(request, name) for name in ("id", "timestamp", "signature"))
    if ident is None or timestamp is None or header is None:
        return MISSING
    given = [each.removeprefix(_VERSION) for each in header.split(" ") if each.startswith(_VERSION)]
    signed = b"%b.%b.%b" % (ident.encode("latin-1"), timestamp.encode("latin-1"), request.body)
    keys = [key for secret in secrets if (key := _key_of(secret)) is not None]
    if not is_signed(keys, signed, given, encoding="base64"):
        return WRONG
    return fresh(timestamp, now, settings.tolerance_s)


def _describe(request: HookRequest, data: Any, _: HookSettings) -> Description | Refused:
    ident = _header(request, "id")
    if not ident:
        return Refused("id", "the header webhook-id is empty")
    return Description(ident, event_name(text_at(data, "/type")))


def _key_of(secret: str) -> bytes | None:
    try:
        return b64decode(secret.removeprefix(PREFIX), validate=True)
    except (Base64Error, ValueError):
        return None


def _flaw(secret: str) -> str | None:
    key = _key_of(secret)
    if key is None or not _KEY_MIN <= len(key) <= _KEY_MAX:
        return f"must be whsec_ and then base64 of {_KEY_MIN} to {_KEY_MAX} bytes"
    return None


RULES = ProviderRules(_verify, _describe, generates=True, mint=mint_standard, secret_flaw=_flaw)
