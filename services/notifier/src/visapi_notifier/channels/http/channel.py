"""The declaration of `http.request`. Each request decides whether it has an effect at all, and is keyed."""

from visapi_notifier.channels.http.rules import HttpCall, HttpInput, call_of
from visapi_notifier.outbound.rules.channel import Channel

CHANNEL = Channel(
    name="http.request",
    description="Make an HTTP request.",
    effect="once",
    varies=True,
    input=HttpInput,
    call=HttpCall,
    prepare=call_of,
    samples=({"method": "get", "endpoint": "http://a.example/", "query": {"a": [1]}},),
)
