"""The operation of events as a value; see `client.operations`. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from visapi.client.call import Call
from visapi_common.contracts.gateway_bodies import EventReceipts


def send_events(events: Sequence[Mapping[str, Any]]) -> Call[EventReceipts]:
    """Send CloudEvents (1.0): all of them are committed, or none. An event whose `source` and `id` are known
    is a duplicate, so a repeated request does nothing twice.
    """
    return Call(
        method="POST",
        path="/v1/events",
        answer=EventReceipts,
        headers={"Content-Type": "application/cloudevents-batch+json"},
        body=msgspec.json.encode(list(events)),
        repeatable=True,
    )
