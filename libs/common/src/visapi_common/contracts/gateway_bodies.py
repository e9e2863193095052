"""Small bodies of the HTTP API: commands to runs, artifact links, capabilities, health."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from visapi_common.contracts.task_messages import FunctionSpec

REASON_CHARS_MAX = 2000
Reason = Annotated[str, msgspec.Meta(max_length=REASON_CHARS_MAX)]
"""The reason of a command; the run and the audit keep it."""


Version = Annotated[str, msgspec.Meta(max_length=256)]
"""The version of a workflow."""
LINK_MAX_S = 7 * 86_400


class RunCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of cancel, suspend and resume: the reason, for the audit."""

    reason: Reason | None = None


class Rerun(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a rerun: the original input and version unless others are given."""

    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    version: Version | None = None
    reason: Reason | None = None


class Retry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a retry: `input` replaces the input of the failed task, `version` continues with a newer
    definition.
    """

    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    version: Version | None = None
    reason: Reason | None = None


class NewLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The life of a signed link in seconds: 1 second to 7 days."""

    expires_in_s: Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": LINK_MAX_S})] = 3600


class ArtifactLink(msgspec.Struct, frozen=True):
    """A link that works without a key until it expires."""

    url: str
    expires_at: datetime


class EventReceipt(msgspec.Struct, frozen=True):
    """One event of a request. `duplicate`: an event with its `source` and `id` already existed."""

    id: str
    source: str
    duplicate: bool


class EventReceipts(msgspec.Struct, frozen=True):
    """The events of a request, in order; all are committed."""

    items: list[EventReceipt]


class FunctionPage(msgspec.Struct, frozen=True):
    """Functions that a workflow of this tenant may call."""

    items: list[FunctionSpec]
    next: str | None


class Capabilities(msgspec.Struct, frozen=True):
    """The capabilities and limits of this installation; `refused` gives the reason for each refused
    construct.
    """

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
    """Whether the replica accepts requests, and the failing checks."""

    status: str
    checks: dict[str, Any]
