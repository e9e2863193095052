"""What an orchestrator does for webhooks out, in the background."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from visapi_common.telemetry.catalogue import Metrics
from visapi_orchestrator.endpoints.fan_out import FanOut, FanOutRows
from visapi_orchestrator.endpoints.history import EndpointHistory, EndpointNews


class EndpointRows(msgspec.Struct, frozen=True):
    """The stores."""

    history: EndpointHistory
    fan_out: FanOutRows


def work(rows: EndpointRows, metrics: Metrics) -> Mapping[str, Callable[[], Awaitable[None]]]:
    """The loops, by name."""
    return {
        "endpoint-news": EndpointNews(rows.history, metrics).run,
        "endpoint-messages": FanOut(rows.fan_out, metrics).run,
    }
