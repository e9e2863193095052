"""Dead letters: work that waits for a decision."""

from typing import Annotated
from uuid import UUID

import msgspec

from visapi_common.contracts.dead_letters import DeadLetterPage, DeadLetterView, ResolveDeadLetter
from visapi_gateway.app.command_run import Commands
from visapi_gateway.http.checks import read_json
from visapi_gateway.http.exchange import Answer, json_reply
from visapi_gateway.http.lists import Cursor, Cursors, Limit
from visapi_gateway.http.operation import Answers, Call, Operation, Route


class DeadLettersQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    resolved: Annotated[bool, msgspec.Meta(description="Only resolved, or only open ones.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


LIST = Operation(
    "GET",
    "/v1/dead-letters",
    "listDeadLetters",
    "List dead letters, newest first",
    {200: Answers("A page.", DeadLetterPage)},
    tag="dead letters",
    scope="dead-letters:read",
    query=DeadLettersQuery,
)
READ = Operation(
    "GET",
    "/v1/dead-letters/{letter:uuid}",
    "readDeadLetter",
    "Read a dead letter",
    {200: Answers("The dead letter.", DeadLetterView)},
    tag="dead letters",
    scope="dead-letters:read",
    problems=("dead_letter_not_found",),
)
RESOLVE = Operation(
    "POST",
    "/v1/dead-letters/{letter:uuid}/resolve",
    "resolveDeadLetter",
    "Decide what became of an effect",
    {200: Answers("The decision is committed; the run hears of it.", DeadLetterView)},
    tag="dead letters",
    scope="dead-letters:write",
    body=ResolveDeadLetter,
    body_required=True,
    problems=("dead_letter_not_found", "dead_letter_resolved"),
)


class DeadLetterRoutes:
    """The handlers of the operations above."""

    def __init__(self, commands: Commands, cursors: Cursors) -> None:
        self._commands = commands
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [Route(LIST, self.list), Route(READ, self.read), Route(RESOLVE, self.resolve)]

    async def list(self, call: Call) -> Answer:
        query: DeadLettersQuery = call.query
        position = self._cursors.position(call)
        before = None if position is None else UUID(position)
        page = await self._commands.dead_letters(call.principal.tenant, query.resolved, before, query.limit)
        return json_reply(self._cursors.page(call, page))

    async def read(self, call: Call) -> Answer:
        return json_reply(await self._commands.dead_letter(call.principal.tenant, call.path["letter"]))

    async def resolve(self, call: Call) -> Answer:
        decision: ResolveDeadLetter = await read_json(RESOLVE, call)
        return json_reply(await self._commands.resolve(call.asker, call.path["letter"], decision))
