"""GitHub: `X-Hub-Signature-256: sha256=<hex>` over the body.

The signature covers neither the id of the delivery nor the name of the event, which stand in headers: whoever
holds a signed body could send it under another id. `once_by: content` refuses that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from visapi_common.contracts.hooks import HookSettings
from visapi_gateway.hooks.rules.requests import MISSING, WRONG, Genuine, HookRequest, Refused, Verdict
from visapi_gateway.hooks.rules.scheme import Description, ProviderRules, event_name, text_at
from visapi_gateway.hooks.rules.signing import is_signed

PREFIX = "sha256="


def signed_by_hub(request: HookRequest, secrets: Sequence[str]) -> Verdict:
    """The scheme of PubSubHubbub with SHA-256, which Meta uses too."""
    given = request.header("x-hub-signature-256")
    if given is None or not given.startswith(PREFIX):
        return MISSING
    keys = [secret.encode() for secret in secrets]
    return Genuine() if is_signed(keys, request.body, [given.removeprefix(PREFIX)]) else WRONG


def _verify(request: HookRequest, secrets: Sequence[str], _: HookSettings, __: datetime) -> Verdict:
    return signed_by_hub(request, secrets)


def _describe(request: HookRequest, data: Any, _: HookSettings) -> Description | Refused:
    delivery = request.header("x-github-delivery")
    if not delivery:
        return Refused("id", "the header X-GitHub-Delivery is missing")
    subject = text_at(data, "/repository/full_name", "/organization/login")
    return Description(delivery, event_name(request.header("x-github-event")), subject)


RULES = ProviderRules(_verify, _describe, generates=True)
