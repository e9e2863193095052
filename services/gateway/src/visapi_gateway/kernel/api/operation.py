"""Operations of the API. One declaration gives the route, the checks and the documentation.

An operation needs a key unless it declares `public=True`. The check is made for every operation, not by a
list of paths.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.access.scopes import Principal, Requester
from visapi_gateway.kernel.api.deprecation import Deprecation
from visapi_gateway.kernel.api.headers import idempotency_key
from visapi_gateway.kernel.asgi.http import AsgiResponse, Receive, RequestContext, Scope
from visapi_gateway.kernel.idempotency.rules import Claim, Flight

JSON_TYPES = ("application/json",)
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """One documented response: its meaning, body and headers."""

    meaning: str
    body: Any = None
    """A struct, or None for a response without a JSON body."""
    media_types: tuple[str, ...] = JSON_TYPES
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """See the module's docstring. `path` is Litestar's form, such as `/v1/runs/{run:uuid}`."""

    method: Method
    path: str
    name: str
    summary: str
    responses: dict[int, ResponseSpec]
    description: str = ""
    tag: str = "runs"
    scope: str | None = None
    """The scope that the key needs; None means any valid key."""
    limited_keys: Literal["refused", "narrowed", "open"] = "refused"
    """What a key gets that is limited to workflows. `narrowed`: only what belongs to those; the policies of
    the ledger see to that, and the handler where something is kept in memory. `open`: the answer tells
    nothing of workflows.
    """
    test_keys: Literal["refused", "runs", "open"] = "refused"
    """What a key of kind `test` gets of an operation that changes something. `runs`: it starts test runs, or
    acts on those, which the handler sees to. `open`: what is changed is no matter to live runs.
    """
    public: bool = False
    probe: bool = False
    """The operation takes no request slot, so that health probes are always answered."""
    signed: bool = False
    """A `signature` in the query may replace the key; the handler then checks it (`call.who` is None)."""
    starts_runs: bool = False
    """The operation counts on the quotas of runs."""
    query: type[msgspec.Struct] | None = None
    """A struct that refuses unknown fields; None means no query parameters at all."""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    """Request headers that the operation reads, with their meaning."""
    body: Any = None
    """The struct of a JSON body, `Any` for any JSON; None means no body is read."""
    body_required: bool = False
    body_types: tuple[str, ...] = JSON_TYPES
    produces: tuple[str, ...] = JSON_TYPES
    """Media types that `Accept` chooses from; empty where the resource determines the type."""
    problems: tuple[str, ...] = ()
    """Problem codes beyond those that the other properties imply."""
    deprecated: Deprecation | None = None
    """Set when the operation is to end; every answer and the documentation then say so."""
    if_match: Literal["ignored", "optional", "required"] = "ignored"
    """Whether a change says which state of the resource it changes. The handler compares `If-Match` with the
    resource in the transaction of the change; a 200 shows the resource with its ETag.
    """
    once: str = ""
    """For operations with an `Idempotency-Key`, the meaning of the same key with the same request. Every POST
    that creates something has one.
    """

    @property
    def full_description(self) -> str:
        """The description, with the end of the operation where one is announced."""
        end = "" if self.deprecated is None else self.deprecated.text()
        return f"{end} {self.description}".strip()

    @property
    def tagged(self) -> bool:
        """Whether its answers have ETags: all JSON that a key reads, and the public pages that declare it."""
        answer = self.responses.get(200)
        if self.method != "GET" or self.probe or answer is None:
            return False
        return "ETag" in answer.headers or (not self.public and JSON_TYPES[0] in answer.media_types)


_OF_TEST_KEYS = "test\x1f"
"""No header holds this character."""

ReadJson = Callable[[str, bytes], Awaitable[Any]]
"""The value of a tenant's body. Raises `ProblemError`."""


WhileValid = Callable[[Callable[[], None]], Callable[[], None]]
"""Calls the given function as soon as the key of a request is no longer valid, unless the returned one was
called before.
"""


def _always_valid(_: Callable[[], None]) -> Callable[[], None]:
    return lambda: None


class Call:
    """One call of an operation, after the checks that the operation declares."""

    __slots__ = (
        "_body",
        "_read_json",
        "_receive",
        "claim",
        "context",
        "flight",
        "headers",
        "media_type",
        "path",
        "query",
        "scope",
        "while_valid",
        "who",
    )

    def __init__(self, scope: Scope, receive: Receive, context: RequestContext, read_json: ReadJson) -> None:
        self.scope = scope
        self.context = context
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.path: dict[str, Any] = scope["path_params"]
        self._receive = receive
        self._read_json = read_json
        self.query: Any = None
        self.media_type = ""
        """The media type of the response, chosen from `produces`."""
        self.who: Principal | None = None
        self.while_valid: WhileValid = _always_valid
        self.claim: Claim | None = None
        """The `Idempotency-Key`, for the transaction that does what the request asks."""
        self.flight: Flight | None = None
        """The request as others with the same `Idempotency-Key` meet it."""
        self._body: bytes | None = None

    @property
    def principal(self) -> Principal:
        assert self.who is not None, "the operation is public"
        return self.who

    @property
    def requester(self) -> Requester:
        """The principal, for audited operations."""
        who = self.principal
        return Requester(
            who.key, who.tenant, who.kind, who.scopes, who.limits, request_id=self.context.request_id
        )

    @property
    def idempotency_key(self) -> str | None:
        """The `Idempotency-Key` as it is stored. Those of test keys are apart, so that none of theirs is
        taken from a live key. Raises `ProblemError` 400.
        """
        key = idempotency_key(self.header(b"idempotency-key"))
        return f"{_OF_TEST_KEYS}{key}" if key is not None and self.principal.is_test else key

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def if_match(self) -> str | None:
        """The state of the resource that the request changes, as `check_match` takes it."""
        return self.header(b"if-match")

    async def check_json(self, raw: bytes) -> None:
        """Raises `ProblemError` for a body that is not strict JSON."""
        await self._read_json("" if self.who is None else self.who.tenant, raw)

    async def read_body(self) -> bytes:
        """The whole body; the shell keeps it within its limit."""
        if self._body is None:
            self._body = await self._received()
        return self._body

    async def _received(self) -> bytes:
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            _refuse_disconnect(message["type"])
            return body
        parts = [body]
        while message.get("more_body", False):
            message = await self._receive()
            _refuse_disconnect(message["type"])
            parts.append(message.get("body", b""))
        return b"".join(parts)


Handler = Callable[[Call], Awaitable[AsgiResponse]]
Replay = Callable[[Call, str], Awaitable[AsgiResponse]]
"""Answers a request that was carried out before with the current state of its result. Takes the call and the
answer that is stored with the `Idempotency-Key`.
"""
HashOf = Callable[[Call], Awaitable[bytes]]
"""The hash of a call's request. Raises `ProblemError` when its body cannot be read."""


@dataclass(frozen=True, slots=True)
class Route:
    """An operation and its handler."""

    operation: Operation
    handler: Handler
    replay: Replay | None = None
    """For operations with `once`; without it the handler itself finds earlier requests."""
    hash_of: HashOf | None = None
    """In place of the hash of the whole request."""


def _refuse_disconnect(kind: str) -> None:
    if kind == "http.disconnect":
        raise ProblemError("bad_request", "the connection ended before the body did", status=400)
