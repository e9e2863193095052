"""The ways in which a bounded job ends without a result."""

from visapi_common.core.errors import TransientFault


class BoundExceeded(Exception):
    """The job exceeded a limit or ended its process; its caller can fix that.

    `reason` is input, output, cpu, wall, memory or died.
    """

    def __init__(self, job: str, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.job = job
        self.reason = reason
        self.detail = detail


class Busy(TransientFault):
    """The job was not started, because too many wait. `own`: they are the tenant's own jobs."""

    def __init__(self, detail: str, *, own: bool, retry_after_s: float = 1.0) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.own = own
