"""Shopify: `X-Shopify-Hmac-Sha256: <base64>` over the body; as with GitHub, no header is signed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from visapi_common.contracts.hooks import HookSettings
from visapi_gateway.hooks.rules.requests import MISSING, WRONG, Genuine, HookRequest, Refused, Verdict
from visapi_gateway.hooks.rules.scheme import Description, ProviderRules, event_name
from visapi_gateway.hooks.rules.signing import is_signed


def _verify(request: HookRequest, secrets: Sequence[str], _: HookSettings, __: datetime) -> Verdict:
    given = request.header("x-shopify-hmac-sha256")
    if given is None:
        return MISSING
    keys = [secret.encode() for secret in secrets]
    return Genuine() if is_signed(keys, request.body, [given], encoding="base64") else WRONG


def _describe(request: HookRequest, _: Any, __: HookSettings) -> Description | Refused:
    # X-Shopify-Event-Id is shared by the webhooks of several topics that one action causes.
    delivery = request.header("x-shopify-webhook-id")
    if not delivery:
        return Refused("id", "the header X-Shopify-Webhook-Id is missing")
    return Description(
        delivery, event_name(request.header("x-shopify-topic")), request.header("x-shopify-shop-domain")
    )


RULES = ProviderRules(_verify, _describe, accepted=200)
