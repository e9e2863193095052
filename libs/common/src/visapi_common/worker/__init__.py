"""The worker kit, for VisAPI's own workers and for yours (docs, Own workers)."""

from visapi_common.core.errors import PermanentFault, ProblemError, TransientFault, UnknownFault
from visapi_common.worker.context import ReadOnly, TaskContext
from visapi_common.worker.faults import Postponed, TaskFault, TransientTaskFault
from visapi_common.worker.worker import Worker

__all__ = [
    "PermanentFault",
    "Postponed",
    "ProblemError",
    "ReadOnly",
    "TaskContext",
    "TaskFault",
    "TransientFault",
    "TransientTaskFault",
    "UnknownFault",
    "Worker",
]
