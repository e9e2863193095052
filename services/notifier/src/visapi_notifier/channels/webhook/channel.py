"""The declaration of `notify.webhook`. The receiver honours the `webhook-id`, which is the effect key."""

from visapi_common.core.secret_handles import make_handle
from visapi_notifier.channels.webhook.rules import WebhookCall, WebhookInput, call_of
from visapi_notifier.outbound.rules.channel import Channel

CHANNEL = Channel(
    name="notify.webhook",
    description="Post a signed webhook.",
    effect="keyed",
    input=WebhookInput,
    call=WebhookCall,
    prepare=call_of,
    samples=({"url": "http://a.example/", "payload": make_handle(b"k", ["a"])},),
)
