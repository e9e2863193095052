"""Slack: `X-Slack-Signature: v0=<hex>` over `v0:<timestamp>:<body>`.

Events come as JSON; slash commands and interactions as forms. Slack shows the body of a response to the user,
so a response has none, and wants it within three seconds.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from visapi_common.contracts.hooks import HookSettings
from visapi_gateway.hooks.rules.requests import MISSING, WRONG, HookRequest, Refused, Verdict, fresh
from visapi_gateway.hooks.rules.scheme import Challenge, Description, ProviderRules, event_name, text_at
from visapi_gateway.hooks.rules.signing import content_id, is_signed

PREFIX = "v0="


def _verify(request: HookRequest, secrets: Sequence[str], settings: HookSettings, now: datetime) -> Verdict:
    given, timestamp = request.header("x-slack-signature"), request.header("x-slack-request-timestamp")
    if given is None or timestamp is None or not given.startswith(PREFIX):
        return MISSING
    signed = b"v0:%b:%b" % (timestamp.encode("latin-1", "replace"), request.body)
    if not is_signed([secret.encode() for secret in secrets], signed, [given.removeprefix(PREFIX)]):
        return WRONG
    return fresh(timestamp, now, settings.tolerance_s)


def _describe(request: HookRequest, data: Any, _: HookSettings) -> Description | Refused | Challenge:
    kind = text_at(data, "/type")
    if kind == "url_verification":
        challenge = text_at(data, "/challenge")
        return (
            Refused("body", "a url_verification without `challenge`")
            if challenge is None
            else Challenge(challenge)
        )
    if kind == "event_callback":
        event = text_at(data, "/event_id")
        if event is None:
            return Refused("id", "the body has no `event_id`")
        return Description(
            event, event_name(text_at(data, "/event/type")), text_at(data, "/event/channel", "/team_id")
        )
    subject = text_at(data, "/channel/id", "/channel_id", "/team/id", "/team_id")
    name = "slash_command" if kind is None and text_at(data, "/command") else event_name(kind)
    return Description(text_at(data, "/trigger_id") or content_id(request.body), name, subject)


RULES = ProviderRules(_verify, _describe, accepted=200, silent=True)
