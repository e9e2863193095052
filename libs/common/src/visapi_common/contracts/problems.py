"""Problem details (RFC 9457): of the HTTP API, and as the error object of runs and tasks."""

from typing import Any

import msgspec

ERROR_BASE = "https://open-workflow-specification.org/spec/1.0.0/errors/"
"""Where the specification's standard error types live; matching uses the last segment only."""


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mistake in a body: a JSON pointer (RFC 6901) into it, and what to do about it.

    Where people write the body as text, `line` and `column` (from 1) locate the mistake.
    """

    pointer: str
    detail: str
    line: int | None = None
    column: int | None = None


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every HTTP error. `type` is stable and documented, `title` constant per type."""

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    code: str | None = None
    request_id: str | None = None
    errors: list[FieldError] | None = None


class WorkflowError(msgspec.Struct, frozen=True, omit_defaults=True):
    """The specification's error object (dsl-reference, Error): what `catch` matches."""

    type: str
    status: int
    title: str | None = None
    detail: str | None = None
    instance: str | None = None
    data: Any = None
    """An extension to the specification: additional data of the worker, such as a response body."""


def standard_error(kind: str, status: int, *, title: str, detail: str | None = None) -> WorkflowError:
    """One of the specification's standard errors, such as `communication` or `timeout`."""
    return WorkflowError(type=ERROR_BASE + kind, status=status, title=title, detail=detail)
