"""WhatsApp (Meta's Cloud API): signed as GitHub signs, with the secret of the app.

A delivery has no id: Meta repeats it byte by byte until it is answered 200, so that its content names it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from visapi_common.contracts.hooks import HookSettings
from visapi_gateway.hooks.rules.providers.github import signed_by_hub
from visapi_gateway.hooks.rules.requests import HookRequest, Verdict
from visapi_gateway.hooks.rules.scheme import Description, ProviderRules, event_name, text_at
from visapi_gateway.hooks.rules.signing import content_id

_CHANGE = "/entry/0/changes/0"


def _verify(request: HookRequest, secrets: Sequence[str], _: HookSettings, __: datetime) -> Verdict:
    return signed_by_hub(request, secrets)


def _describe(request: HookRequest, data: Any, _: HookSettings) -> Description:
    subject = text_at(data, f"{_CHANGE}/value/metadata/phone_number_id", "/entry/0/id")
    return Description(content_id(request.body), event_name(text_at(data, f"{_CHANGE}/field")), subject)


RULES = ProviderRules(_verify, _describe, accepted=200, greets=True)
