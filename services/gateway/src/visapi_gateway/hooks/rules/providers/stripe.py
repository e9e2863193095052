"""Stripe: `Stripe-Signature: t=<seconds>,v1=<hex>,…` over `<t>.<body>`, with the whole `whsec_…` text as the
key.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from visapi_common.contracts.hooks import HookSettings
from visapi_gateway.hooks.rules.requests import MISSING, WRONG, HookRequest, Refused, Verdict, fresh
from visapi_gateway.hooks.rules.scheme import Description, ProviderRules, event_name, text_at
from visapi_gateway.hooks.rules.signing import is_signed


def _verify(request: HookRequest, secrets: Sequence[str], settings: HookSettings, now: datetime) -> Verdict:
    header = request.header("stripe-signature")
    if header is None:
        return MISSING
    items = [item.partition("=") for item in header.split(",")]
    times = [value for name, _, value in items if name.strip() == "t"]
    given = [value for name, _, value in items if name.strip() == "v1"]
    if len(times) != 1 or not given:
        return MISSING
    signed = b"%b.%b" % (times[0].encode("latin-1", "replace"), request.body)
    if not is_signed([secret.encode() for secret in secrets], signed, given):
        return WRONG
    return fresh(times[0], now, settings.tolerance_s)


def _describe(_: HookRequest, data: Any, __: HookSettings) -> Description | Refused:
    event = text_at(data, "/id")
    if event is None:
        return Refused("id", "the body has no `id`")
    return Description(
        event, event_name(text_at(data, "/type")), text_at(data, "/data/object/id", "/related_object/id")
    )


RULES = ProviderRules(_verify, _describe)
