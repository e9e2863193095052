"""The checks that every operation's declaration implies, made in this order: key, rate, scope,
representation, query, body's media type.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import msgspec.inspect

from visapi_common.contracts.problems import FieldError
from visapi_common.core.errors import ProblemError
from visapi_gateway.app.authenticate import missing_key
from visapi_gateway.core.headers import accepts, media_type_of
from visapi_gateway.core.rates import Limit, Verdict, admit
from visapi_gateway.core.scopes import Principal
from visapi_gateway.http.exchange import Header
from visapi_gateway.http.operation import Call, Operation

QUERY_LIMIT = 4096
"""Bytes of a query string; the longest one that means anything has a few hundred."""
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")


class RateLimits:
    """One number per key (`core.rates`); each replica counts for itself."""

    def __init__(self, limit: Limit, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._arrivals: dict[str, float] = {}
        self._policy = f'"key";q={limit.burst};w={max(1, round(limit.burst / limit.per_s))}'.encode()

    def admit(self, key: str) -> Verdict:
        verdict = admit(self._limit, self._arrivals.get(key), self._monotonic())
        self._arrivals[key] = verdict.arrival
        return verdict

    def headers(self, verdict: Verdict) -> list[Header]:
        """`RateLimit` fields as draft-ietf-httpapi-ratelimit-headers-10 spells them."""
        state = b'"key";r=%d;t=%d' % (verdict.remaining, max(1, round(verdict.reset_s + 0.5)))
        return [(b"ratelimit-policy", self._policy), (b"ratelimit", state)]


def refuse_rate(verdict: Verdict) -> ProblemError:
    wait = max(1, int(verdict.retry_after_s) + 1)
    detail = f"the key sends more requests than it may; send again after {wait} s"
    return ProblemError("rate_limited", detail, status=429, headers={"Retry-After": str(wait)})


def token_of(call: Call) -> str:
    """The key in `Authorization: Bearer` or `X-API-Key`. Raises `ProblemError` 401 without one."""
    bearer = call.headers.get(b"authorization")
    if bearer is not None:
        scheme, _, token = bearer.decode("latin-1").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
        raise missing_key()
    plain = call.headers.get(b"x-api-key")
    if plain is None:
        raise missing_key()
    return plain.decode("latin-1").strip()


def check_scope(operation: Operation, who: Principal) -> None:
    if operation.scope is not None and not who.may(operation.scope):
        detail = f"the key lacks the scope {operation.scope}; use a key that has it"
        raise ProblemError("forbidden", detail, status=403)


def check_representation(operation: Operation, call: Call) -> str:
    if not operation.produces:
        return ""
    chosen = accepts(call.header(b"accept"), operation.produces)
    if chosen is None:
        detail = f"this is served as {' or '.join(operation.produces)}; change Accept"
        raise ProblemError("not_acceptable", detail, status=406)
    return chosen


def check_query(operation: Operation, raw: bytes) -> Any:
    """The query as the operation's struct. Unknown and repeated parameters are refused."""
    if not raw:
        return None if operation.query is None else operation.query()
    if len(raw) > QUERY_LIMIT:
        raise ProblemError("uri_too_long", f"the query has more than {QUERY_LIMIT} bytes", status=414)
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise _query("the query string cannot be read; percent-encode it as UTF-8") from None
    known = () if operation.query is None else operation.query.__struct_fields__
    several = _several(operation.query)
    given: dict[str, str | list[str]] = {}
    for name, value in pairs:
        if name not in known:
            allowed = f"known here: {', '.join(known)}" if known else "none is known here"
            raise _query(f"unknown query parameter {name[:60]!r}; {allowed}")
        if "\0" in value:
            raise _query(f"query parameter {name!r} holds the character U+0000")
        before = given.get(name)
        if isinstance(before, list):
            before.append(value)
        elif before is not None:
            raise _query(f"query parameter {name!r} stands twice; give it once")
        else:
            given[name] = [value] if name in several else value
    assert operation.query is not None
    try:
        return msgspec.convert(given, operation.query, strict=False)
    except msgspec.ValidationError as wrong:
        raise _query(f"wrong query parameter: {wrong}") from None


@cache
def _several(query: type[msgspec.Struct] | None) -> frozenset[str]:
    """The parameters that may stand several times: those that are lists."""
    info = None if query is None else msgspec.inspect.type_info(query)
    fields = info.fields if isinstance(info, msgspec.inspect.StructType) else ()
    return frozenset(field.encode_name for field in fields if _is_list(field.type))


def _is_list(kind: msgspec.inspect.Type) -> bool:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _is_list(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(_is_list(option) for option in kind.types)
    return isinstance(kind, msgspec.inspect.ListType)


def check_media_type(operation: Operation, call: Call, body: bytes) -> str:
    """The body's media type: one that the operation takes."""
    given = media_type_of(call.header(b"content-type"))
    if given is None and not body:
        return operation.body_types[0]
    if given not in operation.body_types:
        told = f"not {given[:80]!r}" if given else "and Content-Type must say so"
        detail = f"the body must be {' or '.join(operation.body_types)}, {told}"
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


def _query(detail: str) -> ProblemError:
    return ProblemError("invalid_query", detail, status=400)
