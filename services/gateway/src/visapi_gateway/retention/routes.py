"""How long ended runs are kept, by namespace."""

from visapi_common.contracts.retention import Retention, RetentionPage, SetRetention
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursors, Listing
from visapi_gateway.kernel.api.operation import Answers, Call, Operation, Route
from visapi_gateway.kernel.asgi.exchange import Answer, Empty, json_reply
from visapi_gateway.retention.service import Retentions

_PATH = "/v1/retention/{namespace:str}"

LIST = Operation(
    "GET",
    "/v1/retention",
    "listRetention",
    "List the namespaces that have a retention policy",
    {200: Answers("A page.", RetentionPage)},
    tag="retention",
    scope="runs:read",
    query=Listing,
)
READ = Operation(
    "GET",
    _PATH,
    "readRetention",
    "Read how long ended runs of a namespace are kept",
    {200: Answers("The policy, or the default.", Retention)},
    tag="retention",
    scope="runs:read",
    problems=("invalid_body",),
)
SET = Operation(
    "PUT",
    _PATH,
    "setRetention",
    "Say how long ended runs of a namespace are kept",
    {200: Answers("Runs that start from now on are kept so long.", Retention)},
    description=(
        "A run keeps the policy under which it started. It is forgotten at the earliest so many days after "
        "its end, with its history and its search attributes."
    ),
    tag="retention",
    scope="retention:write",
    body=SetRetention,
    body_required=True,
    problems=("quota_exceeded",),
)
RESET = Operation(
    "DELETE",
    _PATH,
    "resetRetention",
    "Let a namespace have the default again",
    {204: Answers("Runs that start from now on are kept for the default.")},
    tag="retention",
    scope="retention:write",
    problems=("retention_not_found",),
)


class RetentionRoutes:
    """The handlers of the operations above."""

    def __init__(self, retentions: Retentions, cursors: Cursors) -> None:
        self._retentions = retentions
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(SET, self.set),
            Route(RESET, self.reset),
        ]

    async def list(self, call: Call) -> Answer:
        position = self._cursors.position(call)
        page = await self._retentions.page(call.principal.tenant, position, call.query.limit)
        return json_reply(self._cursors.page(call, page))

    async def read(self, call: Call) -> Answer:
        return json_reply(await self._retentions.read(call.principal.tenant, call.path["namespace"]))

    async def set(self, call: Call) -> Answer:
        wanted: SetRetention = await read_json(SET, call)
        return json_reply(await self._retentions.set(call.asker, call.path["namespace"], wanted))

    async def reset(self, call: Call) -> Answer:
        await self._retentions.reset(call.asker, call.path["namespace"])
        return Empty(204)
