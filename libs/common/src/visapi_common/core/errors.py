"""The kinds of failure (CONTRIBUTING, Errors): problems are caused by callers, faults by the environment.

Adapters translate library exceptions into these kinds. `UnknownFault` means that the effect may have
happened, and is never caught as a `TransientFault`.
"""

from visapi_common.contracts.problems import FieldError


class ProblemError(Exception):
    """The caller's mistake. `code` is stable; `detail` says what is wrong, where, and how to fix it."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int = 400,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.errors = errors
        self.headers = headers or {}


class Fault(Exception):
    """A failure of the environment; see the three kinds below."""


class TransientFault(Fault):
    """Nothing happened, and a later attempt may succeed. `retry_after_s` is the advice of the failed
    service.
    """

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class OperatorFault(TransientFault):
    """Nothing happened, and only the operator can fix the cause: a missing grant, a full disk, an old schema.
    The work is retried, an alert fires, and no run faults. `sort` is a bounded metric label.
    """

    def __init__(self, detail: str, *, sort: str) -> None:
        super().__init__(detail)
        self.sort = sort


class PermanentFault(Fault):
    """Nothing happened, and a retry will not help."""


class ContentFault(PermanentFault):
    """Nothing happened, because of the contents of one row or message; the others of its batch are fine."""


class UnknownFault(Fault):
    """It may have happened. Hold, reconcile, or repeat under the same key; never just retry."""
