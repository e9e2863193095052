"""A response with everything that reading it needs."""

from dataclasses import dataclass
from datetime import datetime

from visapi_common.core.outbound import Inbound, Outbound
from visapi_notifier.channels.http.rules import HttpInput
from visapi_notifier.delivery.effects import Time
from visapi_notifier.outbound.rules.masking import Mask


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """A response and its request; `time` is the time left when the response arrived."""

    wanted: HttpInput
    outbound: Outbound
    inbound: Inbound
    now: datetime
    mask: Mask
    time: Time
