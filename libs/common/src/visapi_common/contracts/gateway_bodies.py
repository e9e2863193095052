"""Smaller bodies of the HTTP API: commands to runs, artifact links, capabilities, health."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from visapi_common.contracts.task_messages import FunctionSpec

REASON_CHARS_MAX = 2000
Reason = Annotated[str, msgspec.Meta(max_length=REASON_CHARS_MAX)]
"""Why somebody does something, for the record: each run and the audit keep it."""


class RunCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of cancel, suspend and resume: why, for the record."""

    reason: Reason | None = None


class Rerun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a run is repeated: with its own input unless another is given, in its own version unless told."""

    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    version: str | None = None
    reason: Reason | None = None


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a faulted run is taken up again: `input` replaces that of the task that failed, `version` is of a
    newer definition to go on with.
    """

    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    version: str | None = None
    reason: Reason | None = None


class NewLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds a signed link works: 1 second to 7 days."""

    expires_in_s: int = 3600


class ArtifactLink(msgspec.Struct, frozen=True):
    """A link that needs no key until it ends."""

    url: str
    expires_at: datetime


class EventReceipt(msgspec.Struct, frozen=True):
    """One event of a request. `duplicate` says that its `source` and `id` were there before."""

    id: str
    source: str
    duplicate: bool


class EventReceipts(msgspec.Struct, frozen=True):
    """The events of a request, in its order; all are committed."""

    items: list[EventReceipt]


class FunctionPage(msgspec.Struct, frozen=True):
    """Functions that a workflow of this tenant may call."""

    items: list[FunctionSpec]
    next: str | None


class Capabilities(msgspec.Struct, frozen=True):
    """What this installation can do, and its limits; `refused` says why a construct is not run."""

    version: str
    dsl: str
    dsl_versions: list[str]
    tasks: list[str]
    calls: list[str]
    schedules: list[str]
    authentications: list[str]
    refused: dict[str, str]
    features: dict[str, bool]
    limits: dict[str, int]


class HealthView(msgspec.Struct, frozen=True):
    """Whether requests should be sent here, and why not."""

    status: str
    checks: dict[str, Any]
