"""The public shapes of deployed workflows."""

from datetime import datetime
from typing import Any

import msgspec

from visapi_common.contracts.problems import FieldError


class WorkflowView(msgspec.Struct, frozen=True):
    """One version of a workflow as the API shows it."""

    namespace: str
    name: str
    version: str
    title: str | None
    summary: str | None
    input_schema: dict[str, Any] | bool | None
    """The JSON Schema of the input; null means that any input is valid."""
    program: str
    """SHA-256 of the compiled program, in hex."""
    created_at: datetime
    created_by: str
    links: dict[str, str]


class WorkflowPage(msgspec.Struct, frozen=True):
    """Workflows, each as its highest version; or the versions of one, highest first."""

    items: list[WorkflowView]
    next: str | None


class Deployed(WorkflowView, frozen=True, kw_only=True):
    """The answer to a deployment, or to a dry run that stored nothing."""

    warnings: list[FieldError]
    dry_run: bool
