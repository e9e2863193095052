"""Dead letters: work that waits for a decision."""

import hashlib
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from visapi_common.contracts.dead_letters import (
    DeadLetterPage,
    DeadLetterView,
    EditDeadLetter,
    LetterKind,
    ReplayDeadLetter,
    ResolveDeadLetter,
)
from visapi_gateway.dead_letters.editing import Edits
from visapi_gateway.dead_letters.service import DeadLetterFilter, DeadLetters
from visapi_gateway.kernel.api.checks import read_json
from visapi_gateway.kernel.api.lists import Cursor, Cursors, Limit
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, json_response, located


class DeadLettersQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    resolved: Annotated[bool, msgspec.Meta(description="Only resolved, or only open ones.")] | None = None
    kind: Annotated[LetterKind, msgspec.Meta(description="Only dead letters of this kind.")] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=128, description="Only with this reason.")] | None = None
    function: (
        Annotated[str, msgspec.Meta(max_length=128, description="Only of tasks that call this function.")]
        | None
    ) = None
    workflow: (
        Annotated[
            str, msgspec.Meta(max_length=256, description="Only about this workflow, `namespace/name`.")
        ]
        | None
    ) = None
    created_after: (
        Annotated[datetime, msgspec.Meta(tz=True, description="Only set aside at this time or later.")] | None
    ) = None
    created_before: (
        Annotated[datetime, msgspec.Meta(tz=True, description="Only set aside earlier.")] | None
    ) = None
    limit: Limit = 50
    cursor: Cursor | None = None


LIST = Operation(
    "GET",
    "/v1/dead-letters",
    "listDeadLetters",
    "List dead letters, newest first",
    {200: ResponseSpec("A page.", DeadLetterPage)},
    description=(
        "Keys of kind `admin` also see dead letters whose tenant does not exist, such as a registration "
        "that named an unknown tenant."
    ),
    tag="dead letters",
    scope="dead-letters:read",
    query=DeadLettersQuery,
)
READ = Operation(
    "GET",
    "/v1/dead-letters/{letter:uuid}",
    "readDeadLetter",
    "Read a dead letter",
    {200: ResponseSpec("The dead letter.", DeadLetterView)},
    tag="dead letters",
    scope="dead-letters:read",
    problems=("dead_letter_not_found",),
)
RESOLVE = Operation(
    "POST",
    "/v1/dead-letters/{letter:uuid}/resolve",
    "resolveDeadLetter",
    "Resolve a dead letter about an effect with an unknown outcome",
    {200: ResponseSpec("The decision is committed and reaches the run.", DeadLetterView)},
    tag="dead letters",
    scope="dead-letters:write",
    once="is one decision",
    body=ResolveDeadLetter,
    body_required=True,
    problems=("dead_letter_not_found", "dead_letter_resolved"),
)
REPLAY = Operation(
    "POST",
    "/v1/dead-letters/{letter:uuid}/replay",
    "replayDeadLetter",
    "Replay a dead letter",
    {
        202: ResponseSpec(
            "The request is committed; the orchestrator puts the item back and sets `replayed_at`.",
            DeadLetterView,
            headers=("Location",),
        )
    },
    description=(
        "Fix the reason first. A dead letter that cannot be put back becomes open again, with the new "
        "reason in `detail`. A message that holds no event, or whose tenant does not exist, is refused "
        "with `409`. Effects with an unknown outcome are resolved instead. A dead letter of kind "
        "`lifecycle` cannot be replayed."
    ),
    tag="dead letters",
    scope="dead-letters:write",
    once="replays once",
    body=ReplayDeadLetter,
    problems=(
        "dead_letter_not_found",
        "dead_letter_resolved",
        "dead_letter_not_replayable",
    ),
)


EDIT = Operation(
    "POST",
    "/v1/dead-letters/{letter:uuid}/edit",
    "editDeadLetter",
    "Replace the event of a dead letter before its replay",
    {200: ResponseSpec("The event is replaced; the dead letter stays open.", DeadLetterView)},
    description=(
        "For events that were not stored (`message`) or not matched (`event`): no receiver and no run has "
        "got them. What a run emits is matched and published separately, so it is not edited: a letter of "
        "kind `emit`, or of kind `event` whose event is also published or is older than a week, "
        "is refused with `409`; so is one whose event came through a hook, which verified its sender. The "
        "dead letters that can be edited have the link `edit`. `event` is a CloudEvent in structured JSON; "
        "one that was stored keeps its source, id and type. The audit keeps the SHA-256 of the body before "
        "and after."
    ),
    tag="dead letters",
    scope="dead-letters:write",
    once="is one edit",
    body=EditDeadLetter,
    body_required=True,
    problems=("dead_letter_not_found", "dead_letter_resolved", "dead_letter_not_editable"),
)


class DeadLetterRoutes:
    """The handlers of the operations above."""

    def __init__(self, letters: DeadLetters, edits: Edits, cursors: Cursors) -> None:
        self._letters = letters
        self._edits = edits
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(RESOLVE, self.resolve, self.resolved),
            Route(REPLAY, self.replay, self.replayed, _hash_of_replay),
            Route(EDIT, self.edit, self.resolved),
        ]

    async def list(self, call: Call) -> AsgiResponse:
        query: DeadLettersQuery = call.query
        position = self._cursors.position(call)
        before = None if position is None else UUID(position)
        wanted = DeadLetterFilter(
            query.resolved,
            query.kind,
            query.reason,
            query.function,
            query.workflow,
            query.created_after,
            query.created_before,
        )
        page = await self._letters.page(call.requester, wanted, before, query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._letters.read(call.requester, call.path["letter"]))

    async def resolve(self, call: Call) -> AsgiResponse:
        decision: ResolveDeadLetter = await read_json(RESOLVE, call)
        letter = await self._letters.resolve(call.requester, call.path["letter"], decision, call.claim)
        return json_response(letter)

    async def resolved(self, call: Call, _: str) -> AsgiResponse:
        return await self.read(call)

    async def replay(self, call: Call) -> AsgiResponse:
        asked: ReplayDeadLetter = await read_json(REPLAY, call)
        return located(
            await self._letters.replay(call.requester, call.path["letter"], asked, call.claim), 202
        )

    async def edit(self, call: Call) -> AsgiResponse:
        wanted: EditDeadLetter = await read_json(EDIT, call)
        letter = await self._edits.edit(call.requester, call.path["letter"], wanted, call.claim)
        return json_response(letter)

    async def replayed(self, call: Call, _: str) -> AsgiResponse:
        return located(await self._letters.one(call.principal, call.path["letter"]), 202)


async def _hash_of_replay(call: Call) -> bytes:
    """The hash of a request for a replay, in which bodies that mean the same are the same."""
    asked = await read_json(REPLAY, call)
    head = f"replay {call.path['letter']}\n".encode()
    return hashlib.sha256(head + msgspec.json.encode(asked)).digest()
