"""One request and its response, shared by the shell and the operations."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

import msgspec

from visapi_common.contracts.problems import Problem
from visapi_common.core.errors import ContentFault, Fault, ProblemError, TransientFault, UnknownFault
from visapi_common.core.failures import failure_text
from visapi_gateway.kernel.access.rates import Allowance
from visapi_gateway.kernel.asgi.capacity import RequestSlot
from visapi_gateway.kernel.problems import KINDS, code_for, type_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

REQUEST_CONTEXT = "visapi.request_context"
"""The key of the `RequestContext` in the ASGI scope."""

JSON = b"application/json"
PROBLEM = b"application/problem+json"
_REASON_CHARS = 300

encode = msgspec.json.Encoder().encode


class RequestContext:
    """The context of a request, beside its bytes."""

    __slots__ = (
        "address",
        "allowance",
        "extra",
        "key",
        "problem",
        "request_id",
        "route",
        "slot",
        "starts_runs",
        "tenant",
        "traceparent",
    )

    def __init__(self, request_id: str, traceparent: str, slot: RequestSlot) -> None:
        self.request_id = request_id
        self.slot = slot
        """The request slot that the request holds."""
        self.traceparent = traceparent
        self.extra: list[Header] = []
        """Headers of the response, whatever its outcome."""
        self.allowance: Allowance | None = None
        """What the key of the request may take."""
        self.starts_runs = False
        self.route = "unmatched"
        self.problem = ""
        self.key = ""
        self.tenant = ""
        self.address = ""
        """The address of the client, behind trusted proxies too; empty where it is not known."""


class AsgiResponse(Protocol):
    """An ASGI application for this one request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None: ...


class Response:
    """A response with its whole body."""

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


class EmptyResponse(Response):
    """A response without a body: 204 and 304 have no length either."""

    def __init__(self, status: int, headers: Iterable[Header] = ()) -> None:
        super().__init__(status, b"")
        self.headers = list(headers)


def json_response(value: Any, status: int = 200, headers: Iterable[Header] = ()) -> Response:
    return Response(status, encode(value), headers)


class Linked(Protocol):
    @property
    def links(self) -> dict[str, str]: ...


def located(resource: Linked, status: int) -> Response:
    """The resource, with the path in its link `self` as `Location`."""
    return json_response(resource, status, [(b"location", resource.links["self"].encode())])


def problem_response(problem: ProblemError, context: RequestContext, instance: str) -> Response:
    """The problem details (RFC 9457) of an error."""
    code = problem.code.replace("-", "_")
    if code not in KINDS:
        code = code_for(problem.status)
    kind = KINDS[code]
    context.problem = code
    body = Problem(
        type=type_of(code),
        title=kind.title,
        status=kind.status,
        detail=problem.detail,
        instance=instance,
        code=code,
        request_id=context.request_id,
        errors=problem.errors,
    )
    headers = [
        (name.lower().encode(), value.encode("latin-1", "replace")) for name, value in problem.headers.items()
    ]
    return Response(kind.status, encode(body), headers, PROBLEM)


def problem_of_fault(fault: Fault) -> ProblemError:
    """The problem that a caller sees for a fault."""
    if isinstance(fault, UnknownFault):
        detail = (
            "the response of the database was lost, so the request may have been carried out; repeat it "
            "with the same Idempotency-Key"
        )
        return ProblemError("outcome_unknown", detail, status=503, headers={"Retry-After": "2"})
    if isinstance(fault, TransientFault):
        wait = max(1, round(fault.retry_after_s or 1.0))
        detail = "the service cannot do this now; nothing happened; send it again after Retry-After seconds"
        return ProblemError("unavailable", detail, status=503, headers={"Retry-After": str(wait)})
    if isinstance(fault, ContentFault):
        detail = (
            "the contents of the request cannot be stored or searched for, so nothing happened: "
            f"{failure_text(fault, _REASON_CHARS)}; change the contents and send the request again"
        )
        return ProblemError("content_refused", detail, status=422)
    detail = "the request could not be carried out; give the operator the request_id"
    return ProblemError("internal_error", detail, status=500)
