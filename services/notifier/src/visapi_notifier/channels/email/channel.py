"""The declaration of `notify.email`. SMTP knows no key."""

from visapi_notifier.channels.email.rules.message import EmailCall, EmailInput, call_of
from visapi_notifier.outbound.rules.channel import Channel

CHANNEL = Channel(
    name="notify.email",
    description="Send a mail.",
    effect="once",
    input=EmailInput,
    call=EmailCall,
    prepare=call_of,
    account="smtp",
    samples=({"to": "Ä <a@ä.example>", "html": "<p>&auml;"}, 1),
)
