"""The checks that every operation's declaration implies, made in this order: key, rate, scope,
representation, query, precondition, body's media type.
"""

import re
from typing import Any

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.access.scopes import Principal
from visapi_gateway.kernel.access.stored_keys import missing_key
from visapi_gateway.kernel.api.headers import accepts, media_type_of
from visapi_gateway.kernel.api.operation import Call, Operation
from visapi_gateway.kernel.api.query import QueryError, read_query

QUERY_LIMIT = 4096
"""The largest query string in bytes; the longest useful one has a few hundred."""
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")


_CREDENTIALS = (b"authorization", b"x-api-key")


def token_of(call: Call) -> str:
    """The key in `Authorization: Bearer`, in `X-API-Key`, or in both, as some generated clients send it.

    Raises `ProblemError`: 401 without a key; 400 with several keys or a repeated header, because a proxy may
    have read another key than the gateway does.
    """
    given = [(name, value) for name, value in call.scope["headers"] if name in _CREDENTIALS]
    if not given:
        raise missing_key()
    tokens = {_token(name, value.decode("latin-1")) for name, value in given}
    if len(tokens) > 1 or len(given) > len({name for name, _ in given}):
        detail = "the request has several credentials; send one, as Authorization or as X-API-Key"
        raise ProblemError("invalid_header", detail, status=400)
    token = tokens.pop()
    if not token:
        raise missing_key()
    return token


def _token(name: bytes, value: str) -> str:
    """The key in a header; empty where the header holds another kind of credential."""
    if name == b"x-api-key":
        return value.strip()
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def check_scope(operation: Operation, who: Principal) -> None:
    if operation.scope is not None and not who.may(operation.scope):
        detail = f"the key lacks the scope {operation.scope}; use a key that has it"
        raise ProblemError("forbidden", detail, status=403)


def check_limits(operation: Operation, who: Principal) -> None:
    """A key that is limited to workflows does only what can be limited to them."""
    if who.limits.workflows is not None and operation.limited_keys == "refused":
        detail = "the key is limited to some workflows, and this concerns the whole tenant; use another key"
        raise ProblemError("forbidden", detail, status=403)


def check_test_key(operation: Operation, who: Principal) -> None:
    """A test key changes nothing on which live runs depend."""
    if who.is_test and operation.test_keys == "refused" and operation.method != "GET":
        detail = "a key of kind test starts and commands test runs, and changes nothing else; use a live key"
        raise ProblemError("forbidden", detail, status=403)


def check_representation(operation: Operation, call: Call) -> str:
    if not operation.produces:
        return ""
    chosen = accepts(call.header(b"accept"), operation.produces)
    if chosen is None:
        detail = f"this operation serves {' or '.join(operation.produces)}; change Accept"
        raise ProblemError("not_acceptable", detail, status=406)
    return chosen


def check_query(operation: Operation, raw: bytes) -> Any:
    """The query as the operation's struct. Unknown and repeated parameters are refused."""
    if not raw:
        return None if operation.query is None else operation.query()
    if len(raw) > QUERY_LIMIT:
        raise ProblemError("uri_too_long", f"the query has more than {QUERY_LIMIT} bytes", status=414)
    try:
        return read_query(raw, operation.query)
    except QueryError as wrong:
        raise ProblemError("invalid_query", str(wrong), status=400) from None


def check_precondition(operation: Operation, call: Call) -> None:
    if operation.if_match == "required" and call.header(b"if-match") is None:
        detail = "send the ETag of the resource as you read it in If-Match, so that no other change is lost"
        raise ProblemError("precondition_required", detail, status=428)


def check_media_type(operation: Operation, call: Call, body: bytes) -> str:
    """The body's media type: one that the operation takes."""
    given = media_type_of(call.header(b"content-type"))
    if given is None and not body:
        return operation.body_types[0]
    if given not in operation.body_types:
        stated = f"not {given[:80]!r}" if given else "and Content-Type must say so"
        detail = f"the body must be {' or '.join(operation.body_types)}, {stated}"
        raise ProblemError("unsupported_media_type", detail, status=415)
    return given


async def read_json(operation: Operation, call: Call) -> Any:
    """The body as the operation's struct; an empty body as the struct's defaults, where allowed."""
    raw = await call.read_body()
    check_media_type(operation, call, raw)
    if not raw:
        if operation.body_required:
            raise ProblemError("invalid_json", "the body is empty; send JSON", status=400)
        raw = b"{}"
    await call.check_json(raw)
    try:
        return msgspec.json.decode(raw, type=operation.body)
    except (msgspec.MsgspecError, ValueError, ArithmeticError) as wrong:
        text = str(wrong)
        at = _AT.search(text)
        pointer = _pointer(at["path"]) if at else ""
        mistake = FieldError(pointer, text[: at.start()] if at else text)
        raise ProblemError(
            "invalid_body", f"the body is wrong: {text}", status=400, errors=[mistake]
        ) from None


def _pointer(path: str) -> str:
    """Msgspec's `.a[0].b` as a JSON pointer."""
    return "".join("/" + part.rstrip("]").replace("...", "*") for part in re.split(r"[.\[]", path) if part)
