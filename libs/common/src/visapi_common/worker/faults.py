"""What a handler may raise besides the common problem and faults (core/errors)."""

from visapi_common.contracts.problems import WorkflowError
from visapi_common.core.errors import PermanentFault, TransientFault


class TaskFault(PermanentFault):
    """The task failed for good, with exactly this error for the workflow's `catch` to match."""

    def __init__(self, error: WorkflowError) -> None:
        super().__init__(error.detail or error.title or error.type)
        self.error = error


class TransientTaskFault(TransientFault):
    """Nothing happened; `error` is what the workflow sees when repeating did not help."""

    def __init__(self, error: WorkflowError, *, retry_after_s: float | None = None) -> None:
        super().__init__(error.detail or error.title or error.type, retry_after_s=retry_after_s)
        self.error = error


class Postponed(Exception):
    """The effect cannot be begun yet (somebody else holds it, or a ledger is away): nothing happened.

    The handler is called again after `delay_s`, with its whole timeout, as long as it takes.
    """

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"postponed by {delay_s} s")
        self.delay_s = delay_s
