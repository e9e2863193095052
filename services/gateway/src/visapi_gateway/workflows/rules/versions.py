"""Versions of workflows: new ones, stored ones, and the order of their numbers. Pure."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import Trigger
from visapi_common.contracts.problems import FieldError
from visapi_common.core.errors import ProblemError
from visapi_engine.checks.versions import version_order
from visapi_gateway.kernel.names import WorkflowName


class Scheduled(msgspec.Struct, frozen=True):
    """The schedule of a version: its times, or the run that listens for its events.

    `id` is the id of the schedule or of the listener's run.
    """

    id: UUID
    spec: bytes | None = None
    paused: bool = False
    listener: Trigger | None = None
    listener_body: bytes = b""


class NewWorkflow(msgspec.Struct, frozen=True):
    """A version to store. Hashes in bytes."""

    name: WorkflowName
    version: str
    order: str
    source_hash: bytes
    source: bytes
    media_type: str
    program: bytes
    body: bytes
    created_by: str
    created_at: datetime
    schedule: Scheduled | None = None
    """The schedule or listener, if any."""
    parts: Sequence[bytes] = ()
    """Further programs that the version's program names by hash."""


class WorkflowRow(msgspec.Struct, frozen=True):
    """A stored version. `body` is the compiled program; None where the page had no room for it."""

    namespace: str
    name: str
    version: str
    program: bytes
    body: bytes | None
    created_by: str
    created_at: datetime
    source_hash: bytes = b""
    source: bytes = b""
    media_type: str = ""
    version_order: str = ""


def sorting_key(version: str) -> str:
    """The key that sorts versions. Raises `ProblemError` 422."""
    try:
        return version_order(version)
    except ValueError as wrong:
        mistake = FieldError("/document/version", str(wrong))
        raise ProblemError("definition_invalid", str(wrong), status=422, errors=[mistake]) from None


def row_of(new: NewWorkflow) -> WorkflowRow:
    """A new version, as its row is read."""
    _, namespace, name = new.name
    return WorkflowRow(
        namespace=namespace,
        name=name,
        version=new.version,
        program=new.program,
        body=new.body,
        created_by=new.created_by,
        created_at=new.created_at,
    )
