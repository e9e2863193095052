"""The query parameters that select runs, for lists and bulk commands."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from visapi_common.contracts.runs import RunStatus
from visapi_gateway.kernel.api.lists import Cursor, Limit
from visapi_gateway.runs.reading.rules.filters import RunFilter, read_attributes

FINDING = (
    "A run must match all filters. `created_after` and `created_before` compare the time in a run's id, "
    "which a child run shares with its parent. `attribute` compares text (`customer:42`), or numbers "
    "(`amount>=100`)."
)


def _workflow(description: str) -> msgspec.Meta:
    return msgspec.Meta(pattern="^[^/]+(/[^/]+)?$", max_length=200, description=description)


class RunsFilterQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The filters of a list of runs."""

    status: (
        Annotated[
            list[RunStatus],
            msgspec.Meta(max_length=7, description="Only runs in this state; may be repeated."),
        ]
        | None
    ) = None
    workflow: (
        Annotated[str, _workflow("Only runs of the workflow `namespace/name`, or of a whole namespace.")]
        | None
    ) = None
    version: Annotated[str, msgspec.Meta(max_length=128, description="Only runs of this version.")] | None = (
        None
    )
    created_after: (
        Annotated[
            datetime, msgspec.Meta(tz=True, description="Only runs created at this time or later (RFC 3339).")
        ]
        | None
    ) = None
    created_before: (
        Annotated[
            datetime, msgspec.Meta(tz=True, description="Only runs created before this time (RFC 3339).")
        ]
        | None
    ) = None
    attribute: (
        Annotated[
            list[Annotated[str, msgspec.Meta(max_length=330)]],
            msgspec.Meta(
                max_length=5,
                description="Only runs with this search attribute: `name:value`, or `>=`, `<=`, `>`, `<`  "
                "for numbers; may be repeated.",
            ),
        ]
        | None
    ) = None
    q: (
        Annotated[
            str,
            msgspec.Meta(
                min_length=1,
                max_length=200,
                description="Only runs whose id or an attribute value starts with this text (ignoring "
                "case), or whose workflow name contains it.",
            ),
        ]
        | None
    ) = None
    parent: Annotated[UUID, msgspec.Meta(description="Only children of this run.")] | None = None
    test: Annotated[bool, msgspec.Meta(description="Only test runs, or only others.")] | None = None
    schedule: (
        Annotated[
            str,
            msgspec.Meta(
                pattern="^[^/]+/[^/]+$",
                max_length=200,
                description="Only runs that the schedule of the workflow `namespace/name` started.",
            ),
        ]
        | None
    ) = None


class RunsQuery(RunsFilterQuery, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Cursor | None = None


def filter_of(query: RunsFilterQuery) -> RunFilter:
    """Raises `ProblemError` 400."""
    namespace, _, name = (query.workflow or "").partition("/")
    scheduled = None if query.schedule is None else query.schedule.partition("/")
    return RunFilter(
        statuses=tuple(query.status or ()),
        namespace=namespace or None,
        name=name or None,
        version=query.version,
        created_after=query.created_after,
        created_before=query.created_before,
        attributes=read_attributes(query.attribute or ()),
        text=query.q,
        parent=query.parent,
        test=query.test,
        schedule=None if scheduled is None else (scheduled[0], scheduled[2]),
    )
