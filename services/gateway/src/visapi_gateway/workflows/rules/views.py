"""Versions of workflows as answers show them. Pure."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.workflows import Deployed, WorkflowView
from visapi_engine.model.program_face import decode_face
from visapi_gateway.workflows.rules.versions import WorkflowRow


def page_of(rows: Sequence[WorkflowRow], limit: int) -> list[WorkflowRow]:
    """The rows of a page: at most `limit`, and as many programs as fit."""
    return list(takewhile(lambda row: row.body is not None, rows[:limit]))


def view_of(row: WorkflowRow) -> WorkflowView:
    """The description of a version."""
    assert row.body is not None, "a row without its program is not shown"
    program = decode_face(row.body)
    here = f"/v1/workflows/{row.namespace}/{row.name}"
    schema = program.input_schema
    return WorkflowView(
        namespace=row.namespace,
        name=row.name,
        version=row.version,
        title=_text(program.document.get("title")),
        summary=_text(program.document.get("summary")),
        input_schema=None if schema is None else schema.schema,
        program=row.program.hex(),
        created_at=row.created_at,
        created_by=row.created_by,
        links={
            "self": f"{here}/versions/{row.version}",
            "versions": f"{here}/versions",
            "runs": f"{here}/runs?version={row.version}",
        },
    )


def deployed_of(view: WorkflowView, warnings: list[FieldError], *, dry_run: bool) -> Deployed:
    """The answer to a deployment."""
    return Deployed(**msgspec.structs.asdict(view), warnings=warnings, dry_run=dry_run)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
