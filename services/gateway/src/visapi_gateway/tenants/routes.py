"""Tenants as a resource."""

from typing import Any

from visapi_common.contracts.tenants import (
    EraseTenant,
    MadeTenant,
    NewTenant,
    ResumeTenant,
    SuspendTenant,
    TenantPage,
    TenantView,
)
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, Header, json_response, located
from visapi_gateway.kernel.asgi.streams import LineStream
from visapi_gateway.tenants.service import Tenants

_ADMIN: dict[str, Any] = {"tag": "tenants", "scope": "tenants:admin"}
NDJSON = "application/x-ndjson"
_PATH = "/v1/tenants/{tenant:str}"

MAKE = Operation(
    "POST",
    "/v1/tenants",
    "makeTenant",
    "Make a tenant with its first key",
    {201: ResponseSpec("The tenant; its key is shown only once.", MadeTenant, headers=("Location",))},
    description=(
        "The key is of kind `live` and may do everything of its own tenant. Only the first answer shows it: a"
        " replay of the request has `key` null. Where that answer was lost, make another key with"
        " `visapi admin key create --tenant`."
    ),
    once="makes one tenant",
    body=NewTenant,
    body_required=True,
    problems=("tenant_exists",),
    **_ADMIN,
)
LIST = Operation(
    "GET",
    "/v1/tenants",
    "listTenants",
    "List tenants, by id",
    {200: ResponseSpec("A page.", TenantPage)},
    query=Listing,
    **_ADMIN,
)
READ = Operation(
    "GET",
    _PATH,
    "readTenant",
    "Read a tenant",
    {200: ResponseSpec("The tenant.", TenantView)},
    problems=("tenant_not_found",),
    **_ADMIN,
)
SUSPEND = Operation(
    "POST",
    f"{_PATH}/suspend",
    "suspendTenant",
    "Suspend a tenant",
    {200: ResponseSpec("The tenant as it is now.", TenantView)},
    description=(
        "The keys of the tenant are refused with `403` (`tenant_disabled`) on all replicas within 10 seconds,"
        " and their streams end. Schedules wait; hooks and events start no runs. Open runs continue."
    ),
    body=SuspendTenant,
    body_required=True,
    problems=("tenant_not_found", "tenant_of_key"),
    **_ADMIN,
)
RESUME = Operation(
    "POST",
    f"{_PATH}/resume",
    "resumeTenant",
    "Resume a suspended tenant",
    {200: ResponseSpec("The tenant as it is now.", TenantView)},
    body=ResumeTenant,
    problems=("tenant_not_found", "tenant_erased"),
    **_ADMIN,
)
ERASE = Operation(
    "POST",
    f"{_PATH}/erase",
    "eraseTenant",
    "Erase a suspended tenant for good",
    {202: ResponseSpec("The tenant; `erasure` shows the progress.", TenantView)},
    description=(
        "The runs of the tenant, open ones too, its artifacts and everything else that it owns are deleted in"
        " small pieces. Three things stay: the id, which is never given again, the record of the erasure, and"
        " the audit, for as long as audits are kept. An erasure cannot be undone."
    ),
    body=EraseTenant,
    body_required=True,
    problems=("tenant_not_found", "tenant_of_key", "tenant_not_suspended"),
    **_ADMIN,
)
EXPORT = Operation(
    "GET",
    f"{_PATH}/export",
    "exportTenant",
    "Export everything that a tenant owns",
    {200: ResponseSpec("Lines of JSON.", None, (NDJSON,))},
    description=(
        "The first line is the manifest: the sections, and the data left out, such as the values of secrets."
        " Then each line is a row of a section, or a piece of an artifact or of a large value. The last line"
        " counts the lines of each section and has the SHA-256 of all lines before it: an export without its"
        " last line is incomplete. Rows are read in pages, so the export may or may not have rows that change"
        " meanwhile; suspend the tenant first to export one consistent state. The audit of the"
        " tenant records each export."
    ),
    produces=(),
    problems=("tenant_not_found", "tenant_erased"),
    **_ADMIN,
)


class TenantRoutes:
    """The handlers of the operations above."""

    def __init__(self, tenants: Tenants, cursors: Cursors) -> None:
        self._tenants = tenants
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(MAKE, self.make, self.made_before),
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(SUSPEND, self.suspend),
            Route(RESUME, self.resume),
            Route(ERASE, self.erase),
            Route(EXPORT, self.export),
        ]

    async def make(self, call: Call) -> AsgiResponse:
        return located(await self._tenants.make(call.requester, await read_json(MAKE, call), call.claim), 201)

    async def made_before(self, call: Call, answer: str) -> AsgiResponse:  # noqa: ARG002 (see `Replay`)
        tenant, key = answer.split(" ")
        return located(await self._tenants.made_before(tenant, key), 201)

    async def list(self, call: Call) -> AsgiResponse:
        page = await self._tenants.page(self._cursors.position(call), call.query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._tenants.one(call.path["tenant"]))

    async def suspend(self, call: Call) -> AsgiResponse:
        wanted: SuspendTenant = await read_json(SUSPEND, call)
        return json_response(await self._tenants.suspend(call.requester, call.path["tenant"], wanted.reason))

    async def resume(self, call: Call) -> AsgiResponse:
        wanted: ResumeTenant = await read_json(RESUME, call)
        return json_response(await self._tenants.resume(call.requester, call.path["tenant"], wanted.reason))

    async def erase(self, call: Call) -> AsgiResponse:
        wanted: EraseTenant = await read_json(ERASE, call)
        return json_response(await self._tenants.erase(call.requester, call.path["tenant"], wanted), 202)

    async def export(self, call: Call) -> AsgiResponse:
        tenant: str = call.path["tenant"]
        headers: list[Header] = [
            (b"content-type", NDJSON.encode()),
            (b"content-disposition", f'attachment; filename="{tenant}.ndjson"'.encode()),
            (b"cache-control", b"no-store"),
        ]
        lines = await self._tenants.export(call.requester, tenant)
        return LineStream(lines, headers, call.while_valid)
