"""Approvals: API keys use `/v1/approvals`, people use the link that they received."""

from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from visapi_common.contracts.approvals import COMMENT_MAX, ApprovalPage, ApprovalView, DecideApproval
from visapi_common.core.approvals import Token, parse_token
from visapi_gateway.approvals.page import HEADERS, nothing_page, question_page
from visapi_gateway.approvals.service import OPEN, Approvals
from visapi_gateway.kernel.api.checks import check_media_type, read_json
from visapi_gateway.kernel.api.lists import Cursor, Cursors, Limit
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, EmptyResponse, Response, json_response

HTML = "text/html"
FORM = "application/x-www-form-urlencoded"
_TAG = "approvals"
_LINK = "A page; it says what became of the question."


class ApprovalsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    state: Annotated[
        str,
        msgspec.Meta(
            pattern="^(open|decided|expired|cancelled|all)$",
            description="open (also when left out), decided, expired, cancelled, or all.",
        ),
    ] = "open"
    run: Annotated[UUID, msgspec.Meta(description="Only the approvals of one run.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


LIST = Operation(
    "GET",
    "/v1/approvals",
    "listApprovals",
    "List approvals, those of the newest runs first",
    {200: ResponseSpec("A page.", ApprovalPage)},
    description="Open approvals, unless `state` asks for others.",
    tag=_TAG,
    scope="runs:read",
    query=ApprovalsQuery,
    limited_keys="narrowed",
)
READ = Operation(
    "GET",
    "/v1/approvals/{approval:uuid}",
    "readApproval",
    "Read an approval and its decision",
    {200: ResponseSpec("The question.", ApprovalView)},
    tag=_TAG,
    scope="runs:read",
    problems=("approval_not_found",),
    limited_keys="narrowed",
)
DECIDE = Operation(
    "POST",
    "/v1/approvals/{approval:uuid}/decide",
    "decideApproval",
    "Decide with a key",
    {200: ResponseSpec("The decision is committed and reaches the run.", ApprovalView)},
    description="The first decision counts; a later decision is refused with the name of who decided. The "
    "same decision of the same key, sent again, is answered like the first.",
    tag=_TAG,
    scope="runs:write",
    body=DecideApproval,
    body_required=True,
    problems=("approval_not_found", "approval_decided", "approval_over"),
    limited_keys="narrowed",
    test_keys="runs",
)
PAGE = Operation(
    "GET",
    "/approve/{token:str}",
    "readApprovalPage",
    "Show the page of an approval link; opening the page decides nothing",
    {
        200: ResponseSpec("The approval, open or decided.", None, (HTML,)),
        404: ResponseSpec("The link is not valid.", None, (HTML,)),
        410: ResponseSpec("The approval has expired or was cancelled.", None, (HTML,)),
    },
    tag=_TAG,
    public=True,
    produces=(HTML,),
)
SUBMIT = Operation(
    "POST",
    "/approve/{token:str}",
    "submitApprovalPage",
    "Decide on the page of a link",
    {
        303: ResponseSpec("The decision is committed.", headers=("Location",)),
        400: ResponseSpec("The decision is none of the choices, or the comment is too long.", None, (HTML,)),
        404: ResponseSpec("The link is not valid.", None, (HTML,)),
        409: ResponseSpec("Somebody decided before; the page says who.", None, (HTML,)),
        410: ResponseSpec("The approval has expired or was cancelled.", None, (HTML,)),
    },
    tag=_TAG,
    public=True,
    body=Any,
    body_types=(FORM,),
    produces=(HTML,),
)


class ApprovalRoutes:
    """The handlers of the operations above."""

    def __init__(self, approvals: Approvals, cursors: Cursors) -> None:
        self._approvals = approvals
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(DECIDE, self.decide),
            Route(PAGE, self.page),
            Route(SUBMIT, self.submit),
        ]

    async def list(self, call: Call) -> AsgiResponse:
        query: ApprovalsQuery = call.query
        position = self._cursors.position(call)
        before = None if position is None else UUID(position)
        state = None if query.state == "all" else query.state
        page = await self._approvals.list(call.principal.tenant, state, query.run, before, query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        return json_response(await self._approvals.read(call.principal.tenant, call.path["approval"]))

    async def decide(self, call: Call) -> AsgiResponse:
        wanted: DecideApproval = await read_json(DECIDE, call)
        return json_response(await self._approvals.decide(call.requester, call.path["approval"], wanted))

    async def page(self, call: Call) -> AsgiResponse:
        token = parse_token(call.path["token"])
        found = None if token is None else await self._approvals.opened(token)
        if found is None:
            return _html(404, nothing_page())
        view, holder = found
        over = view.state != OPEN and view.decision is None
        return _html(410 if over else 200, question_page(view, holder))

    async def submit(self, call: Call) -> AsgiResponse:
        token = parse_token(call.path["token"])
        if token is None or await self._approvals.opened(token) is None:
            return _html(404, nothing_page())
        wanted = await _read_form(call)
        return await self._submitted(call, token, wanted)

    async def _submitted(self, call: Call, token: Token, wanted: DecideApproval) -> AsgiResponse:
        if len(wanted.comment or "") > COMMENT_MAX:
            return await self._refused(token, f"A comment has at most {COMMENT_MAX} characters.")
        decided = await self._approvals.decide_by_link(token, wanted, call.context.request_id)
        if decided is None:
            return _html(404, nothing_page())
        view, holder, counted = decided
        if counted:
            # The redirect is relative, so that it also works behind a proxy that adds a path prefix.
            return EmptyResponse(303, [(b"location", call.path["token"].encode()), *HEADERS])
        if view.state == OPEN:
            return _html(400, question_page(view, holder, refused="Please choose one of the answers below."))
        if view.decision is None:
            return _html(410, question_page(view, holder))
        refused = "Your decision does not count: somebody decided before."
        return _html(409, question_page(view, holder, refused=refused))

    async def _refused(self, token: Token, why: str) -> AsgiResponse:
        found = await self._approvals.opened(token)
        return _html(404, nothing_page()) if found is None else _html(400, question_page(*found, refused=why))


async def _read_form(call: Call) -> DecideApproval:
    """Read the form of the page. A malformed form holds no choice, and the page asks again."""
    raw = await call.read_body()
    check_media_type(SUBMIT, call, raw)
    try:
        given = dict(parse_qsl(raw.decode("ascii"), errors="strict", max_num_fields=10))
    except ValueError:
        return DecideApproval("", None)
    comment = given.get("comment", "").replace("\r\n", "\n").replace("\0", "")
    return DecideApproval(given.get("decision", ""), comment or None)


def _html(status: int, page: bytes) -> Response:
    return Response(status, page, HEADERS, b"text/html; charset=utf-8")
