"""Runs as the API shows them: turns rows and payloads into `RunView`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import ENDED, AttributeValue, RunPage, RunStatus, RunView
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.runs.reading.rules.filters import RunFilter

NULL = msgspec.Raw(b"null")


class RunRow(msgspec.Struct, frozen=True):
    """A run as stored, live or ended; `input`, `output` encode a `Payload`, `error` a `WorkflowError`."""

    id: UUID
    namespace: str
    name: str
    version: str
    status: str
    revision: int
    seq: int
    input: bytes
    output: bytes | None
    error: bytes | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attributes: str | None
    """Search attributes as a JSON object."""
    test: bool = False

    @property
    def ended(self) -> bool:
        return self.status in ENDED


class RunSource(Protocol):
    async def run(self, tenant: str, run: UUID) -> RunRow | None: ...
    async def runs(
        self, tenant: str, wanted: RunFilter, before: UUID | None, limit: int
    ) -> Sequence[RunRow]: ...


class Unpack(Protocol):
    async def __call__(self, tenant: str, payload: Payload) -> bytes: ...


class RunViews:
    """Reads runs of a tenant."""

    def __init__(self, source: RunSource, unpack: Unpack) -> None:
        self._source = source
        self._unpack = unpack

    async def row(self, tenant: str, run: UUID) -> RunRow:
        """Raises `ProblemError` 404, for runs of other tenants too."""
        row = await self._source.run(tenant, run)
        if row is None:
            raise no_such_run(run)
        return row

    async def view(self, tenant: str, row: RunRow) -> RunView:
        """The run with its input and output, also from the artifact store."""
        return _view(row, await self._value(tenant, row.input), await self._value(tenant, row.output))

    async def page(self, tenant: str, wanted: RunFilter, before: UUID | None, limit: int) -> RunPage:
        """Newest first. `next` is the id to continue from. Values in the artifact store are left out."""
        rows = await self._source.runs(tenant, wanted, before, limit + 1)
        shown, more = one_page(rows, limit, lambda row: str(row.id))
        return RunPage([_view(row, _inline(row.input), _inline(row.output)) for row in shown], more)

    async def _value(self, tenant: str, stored: bytes | None) -> msgspec.Raw:
        if stored is None:
            return NULL
        return msgspec.Raw(await self._unpack(tenant, _payload(stored)))


def no_such_run(run: UUID) -> ProblemError:
    return ProblemError("run_not_found", f"there is no run {run}; list runs with GET /v1/runs", status=404)


def links_of(run: UUID) -> dict[str, str]:
    here = f"/v1/runs/{run}"
    return {
        "self": here,
        "history": f"{here}/history",
        "cancel": f"{here}/cancel",
        "retry": f"{here}/retry",
        "rerun": f"{here}/rerun",
    }


_payload = msgspec.json.Decoder(Payload).decode
_attributes = msgspec.json.Decoder(dict[str, AttributeValue]).decode
_workflow_error = msgspec.json.Decoder(WorkflowError).decode


def _inline(stored: bytes | None) -> msgspec.Raw:
    if stored is None:
        return NULL
    value = _payload(stored).inline
    return NULL if value is msgspec.UNSET else value


def _view(row: RunRow, given: msgspec.Raw, output: msgspec.Raw) -> RunView:
    return RunView(
        id=row.id,
        workflow=WorkflowRef(row.namespace, row.name, row.version),
        status=RunStatus(row.status),
        input=given,
        output=output,
        error=None if row.error is None else _workflow_error(row.error),
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        attributes={} if row.attributes is None else _attributes(row.attributes),
        links=links_of(row.id),
        test=row.test,
    )
