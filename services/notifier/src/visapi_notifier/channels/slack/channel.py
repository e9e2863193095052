"""The declaration of `notify.slack`. Slack honours no key."""

from visapi_notifier.channels.slack.rules import SlackInput, checked
from visapi_notifier.outbound.rules.channel import Channel

CHANNEL = Channel(
    name="notify.slack",
    description="Post a message to Slack.",
    effect="once",
    input=SlackInput,
    call=SlackInput,
    prepare=checked,
    account="slack",
    samples=({"channel": "C1", "text": "a"}, {"webhook": "https://a.example/", "text": "a"}),
)
