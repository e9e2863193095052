"""Failures of jobs as structs that a process returns."""

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.core.egress_policy import EgressRefused, MalformedUrl, Reason
from visapi_common.core.errors import ProblemError

ERRORS_MAX = 50


class Problem(msgspec.Struct, frozen=True, tag="problem"):
    """A `ProblemError`."""

    code: str
    detail: str
    status: int
    errors: list[FieldError] | None = None


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """An `EgressRefused`."""

    detail: str
    reason: Reason
    malformed: bool
    internal: str | None = None


def failure_struct(failure: ProblemError | EgressRefused) -> Problem | Refusal:
    """The struct of a failure."""
    if isinstance(failure, ProblemError):
        shown = None if failure.errors is None else failure.errors[:ERRORS_MAX]
        return Problem(failure.code, failure.detail, failure.status, shown)
    return Refusal(str(failure), failure.reason, isinstance(failure, MalformedUrl), failure.internal)


def failure_of(said: Problem | Refusal) -> ProblemError | EgressRefused:
    """The failure of a struct."""
    if isinstance(said, Problem):
        return ProblemError(said.code, said.detail, status=said.status, errors=said.errors)
    kind = MalformedUrl if said.malformed else EgressRefused
    return kind(said.detail, said.reason, internal=said.internal)
