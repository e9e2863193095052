"""Secrets: write-only."""

from typing import Any

from visapi_common.contracts.secrets import SecretPage, SecretView
from visapi_gateway.kernel.api.checks import check_media_type
from visapi_gateway.kernel.api.etags import shown_tag
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, json_response
from visapi_gateway.secrets.service import Secrets

PUT = Operation(
    "PUT",
    "/v1/secrets/{name:str}",
    "putSecret",
    "Store a secret",
    {
        201: ResponseSpec("The secret is stored.", headers=("ETag",)),
        204: ResponseSpec("The secret is replaced.", headers=("ETag",)),
    },
    description=(
        'The body is the value, any JSON; or `{"value": …, "hosts": ["api.example.com"]}` to restrict '
        "where the secret may be sent. A workflow that lists the name under `use.secrets` may use the "
        "secret; "
        "no operation returns the value. Texts of less than 8 characters cannot be masked reliably in "
        'responses, and are refused unless the body says `"short": true`.'
    ),
    tag="secrets",
    scope="secrets:write",
    body=Any,
    body_required=True,
    problems=("quota_exceeded",),
    if_match="optional",
)
LIST = Operation(
    "GET",
    "/v1/secrets",
    "listSecrets",
    "List secrets, without their values",
    {200: ResponseSpec("A page.", SecretPage)},
    tag="secrets",
    scope="secrets:write",
    query=Listing,
)
READ = Operation(
    "GET",
    "/v1/secrets/{name:str}",
    "readSecret",
    "Read when a secret was stored and where it may be sent, without its value",
    {200: ResponseSpec("The secret, without its value.", SecretView)},
    tag="secrets",
    scope="secrets:write",
    problems=("secret_not_found",),
)
REMOVE = Operation(
    "DELETE",
    "/v1/secrets/{name:str}",
    "removeSecret",
    "Remove a secret",
    {204: ResponseSpec("The secret is removed; calls that name it fail with an authorization error.")},
    tag="secrets",
    scope="secrets:write",
    problems=("secret_not_found",),
    if_match="optional",
)


class SecretRoutes:
    """The handlers of the operations above."""

    def __init__(self, secrets: Secrets, cursors: Cursors) -> None:
        self._secrets = secrets
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(PUT, self.put),
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(REMOVE, self.remove),
        ]

    async def put(self, call: Call) -> AsgiResponse:
        body = await call.read_body()
        check_media_type(PUT, call, body)
        put = await self._secrets.put(call.requester, call.path["name"], body, call.if_match)
        return EmptyResponse(201 if put.new else 204, [(b"etag", shown_tag(put.view).encode())])

    async def list(self, call: Call) -> AsgiResponse:
        page = await self._secrets.page(call.principal.tenant, self._cursors.position(call), call.query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._secrets.one(call.principal.tenant, call.path["name"]))

    async def remove(self, call: Call) -> AsgiResponse:
        await self._secrets.remove(call.requester, call.path["name"], call.if_match)
        return EmptyResponse(204)
