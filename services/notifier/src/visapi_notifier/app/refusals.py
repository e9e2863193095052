"""Requests that can never be sent end before anything is recorded."""

from collections.abc import Callable

from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.outbound import Outbound
from visapi_common.worker.faults import TaskFault
from visapi_notifier.app.deliver import Deliverer
from visapi_notifier.core.delivery import Ended, after_fault


def refused_early(deliverer: Deliverer, build: Callable[[], Outbound]) -> Outbound:
    """Build a request; what can never be reached ends here. Raises `TaskFault` and `ProblemError`."""
    try:
        return build()
    except EgressRefused as refused:
        deliverer.note_refusal(refused)
        ended = after_fault(refused, repeatable=False, backoff_s=0.0)
        assert isinstance(ended, Ended)
        assert ended.error is not None
        raise TaskFault(ended.error) from refused
