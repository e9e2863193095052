"""An exchange that ended with an answer, as it is handed to whoever reads the answer."""

from dataclasses import dataclass
from datetime import datetime

from visapi_common.core.outbound import Inbound, Outbound
from visapi_notifier.channels.http.rules import HttpInput
from visapi_notifier.delivery.deliver import Time
from visapi_notifier.outbound.rules.masking import Mask


@dataclass(frozen=True, slots=True)
class ReceivedResponse:
    """All that the reading of an answer depends on; `time` is what was left when it had come."""

    wanted: HttpInput
    outbound: Outbound
    inbound: Inbound
    now: datetime
    mask: Mask
    time: Time
