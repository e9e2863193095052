"""One request and its answer, as the shell and the operations share them."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

import msgspec

from visapi_common.contracts.problems import Problem
from visapi_common.core.errors import ContentFault, Fault, ProblemError, TransientFault, UnknownFault
from visapi_common.core.failures import told
from visapi_gateway.kernel.asgi.places import Holding
from visapi_gateway.kernel.problems import KINDS, code_for, type_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

EXCHANGE = "visapi.exchange"
"""Where the exchange stands in the ASGI scope."""

JSON = b"application/json"
PROBLEM = b"application/problem+json"
_REASON_CHARS = 300

encode = msgspec.json.Encoder().encode


class Exchange:
    """What is known of a request beside its bytes."""

    __slots__ = ("extra", "holding", "key", "problem", "request_id", "route", "tenant", "traceparent")

    def __init__(self, request_id: str, traceparent: str, holding: Holding) -> None:
        self.request_id = request_id
        self.holding = holding
        """The place that it takes among all requests."""
        self.traceparent = traceparent
        self.extra: list[Header] = []
        """Headers that the answer gets whatever becomes of the request."""
        self.route = "unmatched"
        self.problem = ""
        self.key = ""
        self.tenant = ""


class Answer(Protocol):
    """An ASGI application for this one request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None: ...


class Reply:
    """A whole answer in one piece."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, status: int, body: bytes, headers: Iterable[Header] = (), media_type: bytes = JSON
    ) -> None:
        self.status = status
        self.body = body
        self.headers: list[Header] = [
            (b"content-type", media_type),
            (b"content-length", str(len(body)).encode()),
            *headers,
        ]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


class Empty(Reply):
    """An answer without a body: 204 and 304 have no length either."""

    def __init__(self, status: int, headers: Iterable[Header] = ()) -> None:
        super().__init__(status, b"")
        self.headers = list(headers)


def json_reply(value: Any, status: int = 200, headers: Iterable[Header] = ()) -> Reply:
    return Reply(status, encode(value), headers)


def problem_reply(problem: ProblemError, exchange: Exchange, instance: str) -> Reply:
    """The problem details (RFC 9457) of an error."""
    code = problem.code.replace("-", "_")
    if code not in KINDS:
        code = code_for(problem.status)
    kind = KINDS[code]
    exchange.problem = code
    body = Problem(
        type=type_of(code),
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        instance=instance,
        code=code,
        request_id=exchange.request_id,
        errors=problem.errors,
    )
    headers = [
        (name.lower().encode(), value.encode("latin-1", "replace")) for name, value in problem.headers.items()
    ]
    return Reply(kind.status, encode(body), headers, PROBLEM)


def problem_of_fault(fault: Fault) -> ProblemError:
    """How a failure of the world looks to a caller."""
    if isinstance(fault, UnknownFault):
        detail = (
            "the answer of the database was lost, so the request may have been carried out; "
            "repeat it with the same Idempotency-Key"
        )
        return ProblemError("outcome_unknown", detail, status=503, headers={"Retry-After": "2"})
    if isinstance(fault, TransientFault):
        wait = max(1, round(fault.retry_after_s or 1.0))
        detail = "the service cannot do this now; nothing happened; send it again after Retry-After seconds"
        return ProblemError("unavailable", detail, status=503, headers={"Retry-After": str(wait)})
    if isinstance(fault, ContentFault):
        detail = (
            "the contents of the request cannot be stored or looked for, so nothing happened: "
            f"{told(fault, _REASON_CHARS)}; change the contents and send the request again"
        )
        return ProblemError("content_refused", detail, status=422)
    detail = "the request could not be carried out; tell the operator the request_id"
    return ProblemError("internal_error", detail, status=500)
