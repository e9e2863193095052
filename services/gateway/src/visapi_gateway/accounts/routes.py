"""Accounts at providers as a resource."""

from typing import Any

from visapi_common.contracts.accounts import (
    AccountPage,
    AccountVerification,
    AccountVersionPage,
    AccountView,
    PutAccount,
    RollBackAccount,
    RotateAccount,
)
from visapi_gateway.accounts.service import Accounts
from visapi_gateway.accounts.verifying import Verifications
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, json_response

_PATH = "/v1/accounts/{account:str}"
_READ: dict[str, Any] = {"tag": "accounts", "scope": "accounts:read"}
_WRITE: dict[str, Any] = {"tag": "accounts", "scope": "accounts:write"}
_NOW = ResponseSpec("The account as it is now.", AccountView)

PUT = Operation(
    "PUT",
    _PATH,
    "putAccount",
    "Store an account at a provider, or its next version",
    {200: _NOW, 201: ResponseSpec("The account is stored.", AccountView)},
    description=(
        "Settings of the kind `smtp`: `host`, `from`, `port` (587), `tls` (`starttls`, `implicit`, `off`) and"
        " `senders`, the addresses that mails may be from; credentials: `username` and `password`. The kind"
        " `slack` has no settings, and the credential `token` of a bot. No operation returns a credential. A"
        " `default` account is used by calls that name none, in place of the operator's. The newest ten"
        " versions are kept."
    ),
    body=PutAccount,
    body_required=True,
    problems=("account_kind_differs", "quota_exceeded"),
    **_WRITE,
)
LIST = Operation(
    "GET",
    "/v1/accounts",
    "listAccounts",
    "List accounts, by name, without their credentials",
    {200: ResponseSpec("A page.", AccountPage)},
    query=Listing,
    **_READ,
)
READ = Operation(
    "GET",
    _PATH,
    "readAccount",
    "Read an account, without its credentials",
    {200: ResponseSpec("The account.", AccountView)},
    problems=("account_not_found",),
    **_READ,
)
VERSIONS = Operation(
    "GET",
    f"{_PATH}/versions",
    "listAccountVersions",
    "List the versions of an account, the newest first",
    {200: ResponseSpec("All versions that are kept.", AccountVersionPage)},
    problems=("account_not_found",),
    **_READ,
)
VERIFY = Operation(
    "POST",
    f"{_PATH}/verify",
    "verifyAccount",
    "Try the credentials of an account at its provider",
    {200: ResponseSpec("What the provider said of each version that calls use.", AccountVerification)},
    description=(
        "Nothing is sent: VisAPI signs in at the mail relay and leaves, or asks Slack whose the token is"
        " (`auth.test`). The answer comes within 15 seconds and is `200` whatever the provider said;"
        " `verified` says whether it accepted the current credentials. A tenant may have two under way, and"
        " begin 20 in a minute, at each notifier."
    ),
    problems=("account_not_found", "too_many_open"),
    **_WRITE,
)
ROTATE = Operation(
    "POST",
    f"{_PATH}/rotate",
    "rotateAccount",
    "Give an account new credentials",
    {200: _NOW},
    description=(
        "The settings stay. For `overlap_s` the credentials of before are tried once where the provider"
        " refuses the new ones, so that the two may be changed at the provider and here in any order."
    ),
    once="makes one version",
    body=RotateAccount,
    body_required=True,
    problems=("account_not_found",),
    **_WRITE,
)
CONFIRM = Operation(
    "POST",
    f"{_PATH}/confirm",
    "confirmAccount",
    "End the overlap of a rotation",
    {200: ResponseSpec("The account; only the current credentials are used.", AccountView)},
    once="ends the overlap once",
    problems=("account_not_found",),
    **_WRITE,
)
ROLL_BACK = Operation(
    "POST",
    f"{_PATH}/rollback",
    "rollBackAccount",
    "Use an earlier version of an account again",
    {200: _NOW},
    description="Settings and credentials are those of that version; without one, of the version before.",
    once="goes back once",
    body=RollBackAccount,
    problems=("account_not_found", "account_version_not_found"),
    **_WRITE,
)
REMOVE = Operation(
    "DELETE",
    _PATH,
    "removeAccount",
    "Remove an account",
    {204: ResponseSpec("The account and its credentials are removed; calls that name it fail.")},
    problems=("account_not_found",),
    **_WRITE,
)


class AccountRoutes:
    """The handlers of the operations above."""

    def __init__(self, accounts: Accounts, verifications: Verifications, cursors: Cursors) -> None:
        self._accounts = accounts
        self._verifications = verifications
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(PUT, self.put),
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(VERSIONS, self.versions),
            Route(VERIFY, self.verify),
            Route(ROTATE, self.rotate, self.done_before),
            Route(CONFIRM, self.confirm, self.done_before),
            Route(ROLL_BACK, self.roll_back, self.done_before),
            Route(REMOVE, self.remove),
        ]

    async def put(self, call: Call) -> AsgiResponse:
        wanted: PutAccount = await read_json(PUT, call)
        account, new = await self._accounts.put(call.requester, call.path["account"], wanted)
        return json_response(account, 201 if new else 200)

    async def list(self, call: Call) -> AsgiResponse:
        page = await self._accounts.page(
            call.principal.tenant, self._cursors.position(call), call.query.limit
        )
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._accounts.one(call.principal.tenant, call.path["account"]))

    async def versions(self, call: Call) -> AsgiResponse:
        return json_response(await self._accounts.versions(call.principal.tenant, call.path["account"]))

    async def verify(self, call: Call) -> AsgiResponse:
        return json_response(await self._verifications.verify(call.requester, call.path["account"]))

    async def rotate(self, call: Call) -> AsgiResponse:
        wanted: RotateAccount = await read_json(ROTATE, call)
        who, name = call.requester, call.path["account"]
        return json_response(await self._accounts.rotate(who, name, wanted, call.claim))

    async def confirm(self, call: Call) -> AsgiResponse:
        return json_response(await self._accounts.confirm(call.requester, call.path["account"], call.claim))

    async def roll_back(self, call: Call) -> AsgiResponse:
        wanted: RollBackAccount = await read_json(ROLL_BACK, call)
        who, name = call.requester, call.path["account"]
        return json_response(await self._accounts.roll_back(who, name, wanted, call.claim))

    async def done_before(self, call: Call, answer: str) -> AsgiResponse:
        return json_response(await self._accounts.one(call.principal.tenant, answer))

    async def remove(self, call: Call) -> AsgiResponse:
        await self._accounts.remove(call.requester, call.path["account"])
        return EmptyResponse(204)
