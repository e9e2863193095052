"""The declaration of `openapi.request`. Its operation becomes an HTTP request."""

from visapi_notifier.channels.openapi.rules import OpenApiCall, OpenApiInput, openapi_call
from visapi_notifier.outbound.rules.channel import Channel

CHANNEL = Channel(
    name="openapi.request",
    description="Call an operation that an OpenAPI document describes.",
    effect="once",
    varies=True,
    input=OpenApiInput,
    call=OpenApiCall,
    prepare=openapi_call,
    samples=({"document": "http://a.example/", "operation_id": "a"},),
)
