"""Exceptions of handlers, besides the common problem and faults (core/errors)."""

from visapi_common.contracts.problems import WorkflowError
from visapi_common.core.errors import PermanentFault, TransientFault


class TaskFault(PermanentFault):
    """The task failed permanently with this error, which the workflow's `catch` matches."""

    def __init__(self, error: WorkflowError) -> None:
        super().__init__(error.detail or error.title or error.type)
        self.error = error


class TransientTaskFault(TransientFault):
    """Nothing happened; `error` is what the workflow sees when the in-process retries fail."""

    def __init__(self, error: WorkflowError, *, retry_after_s: float | None = None) -> None:
        super().__init__(error.detail or error.title or error.type, retry_after_s=retry_after_s)
        self.error = error


class Postponed(Exception):
    """The effect cannot start yet (another worker holds it, or a ledger is away): nothing happened.

    The handler is called again after `delay_s` with its full timeout, without a limit on repetitions.
    """

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"postponed by {delay_s} s")
        self.delay_s = delay_s
