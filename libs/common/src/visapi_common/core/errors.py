"""The kinds of failure (CONTRIBUTING, Errors): a problem is the caller's, a fault the world's.

Adapters translate library exceptions into these once, at the seam. `UnknownFault` means the
effect may have happened; it is never caught as a `TransientFault`.
"""

from visapi_common.contracts.problems import FieldError


class ProblemError(Exception):
    """The caller's mistake. `code` is stable, `detail` says what, where and how to mend it."""

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
    """The world's failure; see the three kinds below."""


class TransientFault(Fault):
    """Nothing happened, and it may work later. `retry_after_s` is the world's own advice."""

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class OperatorFault(TransientFault):
    """Nothing happened, and only who operates the system can mend it: a missing grant, a full disk, a schema
    that is behind. It is retried and alarmed, and never charged to a run. `sort` is a label of bounded size.
    """

    def __init__(self, detail: str, *, sort: str) -> None:
        super().__init__(detail)
        self.sort = sort


class PermanentFault(Fault):
    """Nothing happened, and asking again will not help."""


class ContentFault(PermanentFault):
    """Nothing happened, because of the contents of a row or message: whatever stands beside it is fine."""


class UnknownFault(Fault):
    """It may have happened. Hold, reconcile, or repeat under the same key; never just retry."""
