"""Refuses requests that can never be sent, before anything is recorded."""

from collections.abc import Generator
from contextlib import contextmanager

from visapi_common.core.egress_policy import EgressRefused
from visapi_common.worker.faults import TaskFault
from visapi_notifier.delivery.deliver import Deliverer
from visapi_notifier.delivery.rules import Ended, after_fault


@contextmanager
def refused_early(deliverer: Deliverer) -> Generator[None]:
    """Turns the refusals of building a request into a `TaskFault`."""
    try:
        yield
    except EgressRefused as refused:
        deliverer.note_refusal(refused)
        ended = after_fault(refused, repeatable=False, backoff_s=0.0)
        assert isinstance(ended, Ended)
        assert ended.error is not None
        raise TaskFault(ended.error) from refused
