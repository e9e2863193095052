"""Operations as Litestar routes. Only this file and `main.py` use Litestar.

Every operation passes `_serve`, which enforces its declaration and turns every failure into problem details.
Litestar's own errors (404, 405, bad host) and bugs pass `_problem_outside_operations`.

Litestar only routes. A middleware answers in place of Litestar's handlers, which would parse the request a
second time and double the fixed cost of a request.
"""

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, cast

from litestar import Litestar, Request
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from litestar.types import Method as HttpMethod

from visapi_common.adapters.pool import LIMITED_TO
from visapi_common.core.errors import Fault, ProblemError
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.kernel.access.authentication import KeyRing
from visapi_gateway.kernel.access.rates import Allowances
from visapi_gateway.kernel.access.tenant import WHOSE
from visapi_gateway.kernel.api.checks import (
    check_limits,
    check_precondition,
    check_query,
    check_representation,
    check_scope,
    check_test_key,
    token_of,
)
from visapi_gateway.kernel.api.conditional import changed, tagged
from visapi_gateway.kernel.api.idempotent_calls import IdempotentCalls
from visapi_gateway.kernel.api.operation import Call, Operation, ReadJson, Route
from visapi_gateway.kernel.asgi.http import (
    REQUEST_CONTEXT,
    AsgiResponse,
    Receive,
    RequestContext,
    Scope,
    Send,
    problem_of_fault,
    problem_response,
)
from visapi_gateway.kernel.problems import code_for

_log = get_logger("http")


class Gate:
    """Authenticates callers and applies rates."""

    def __init__(self, keys: KeyRing, rates: Allowances, metrics: Metrics, read_json: ReadJson) -> None:
        self.read_json = read_json
        self._keys = keys
        self._rates = rates
        self._metrics = metrics
        self._key_check_seconds = metrics.key_check_seconds

    def admit(self, operation: Operation, call: Call) -> Awaitable[None] | None:
        """Set the caller of `call`. Returns the lease of tokens that the request has to wait for, if any.
        Raises `ProblemError` 401, 403 and 429.
        """
        context = call.context
        try:
            token = token_of(call)
            with self._key_check_seconds.time():
                who = self._keys.authenticate(token, context.address)
            context.key, context.tenant = who.key, who.tenant
            allowance = context.allowance = self._rates.of(who)
            context.starts_runs = operation.starts_runs
            has_token = allowance.take()
            check_scope(operation, who)
            check_limits(operation, who)
            check_test_key(operation, who)
        except ProblemError as refused:
            if refused.status != 429:
                self._metrics.auth_failures.labels(refused.code).inc()
            raise
        context.slot.enter(who.tenant, who.key)
        WHOSE.set(who.tenant)
        LIMITED_TO.set(who.limits.workflows)
        call.who = who
        call.while_valid = partial(self._keys.while_valid, who)
        return None if has_token else allowance.wait()


def build_app(routes: Sequence[Route], gate: Gate, once: IdempotentCalls) -> Litestar:
    """The Litestar application with these operations."""

    def in_place_of_the_handler(app: Any) -> Any:  # noqa: ARG001 (Litestar's name)
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            response = await _serve(scope["route_handler"].opt["route"], gate, once, scope, receive)
            await response(scope, receive, send)

        return serve

    return Litestar(
        route_handlers=[_handler(route) for route in routes],
        middleware=[in_place_of_the_handler],
        exception_handlers={Exception: _problem_outside_operations},
        openapi_config=None,
        debug=False,
        # structlog is configured once, for the whole process.
        logging_config=None,
        # The shell counts the bytes of bodies while they arrive, for every reader.
        request_max_body_size=None,
    )


class _Handler(HTTPRouteHandler):
    """Litestar resolves exception handlers for each request; this handler keeps them."""

    def resolve_exception_handlers(self) -> Any:
        if self._resolved is None:
            self._resolved = super().resolve_exception_handlers()  # pyright: ignore[reportUnknownMemberType]
        return self._resolved

    _resolved: Any = None


def _handler(route: Route) -> HTTPRouteHandler:
    operation = route.operation
    methods: list[HttpMethod] = ["GET", "HEAD"] if operation.method == "GET" else [operation.method]

    async def handle() -> None:
        raise AssertionError("the middleware has answered")

    return _Handler(
        operation.path,
        http_method=methods,
        name=operation.name,
        status_code=200,
        opt={"route": route},
    )(handle)


async def _serve(
    route: Route, gate: Gate, once: IdempotentCalls, scope: Scope, receive: Receive
) -> AsgiResponse:
    operation = route.operation
    context: RequestContext = scope[REQUEST_CONTEXT]
    context.route = operation.path
    if operation.deprecated is not None:
        context.extra += operation.deprecated.headers()
    call = Call(scope, receive, context, gate.read_json)
    try:
        if _needs_key(operation, scope["query_string"]):
            if (waiting := gate.admit(operation, call)) is not None:
                await waiting
        else:
            # A request may begin in the context of the one before it on its connection.
            LIMITED_TO.set(None)
            if not operation.probe:
                context.slot.enter()
        call.media_type = check_representation(operation, call)
        call.query = check_query(operation, scope["query_string"])
        check_precondition(operation, call)
        response = await (once(route, call) if operation.once else route.handler(call))
        if operation.tagged:
            return tagged(call, response)
        return response if operation.if_match == "ignored" else changed(response)
    except ProblemError as problem:
        return problem_response(problem, context, scope["path"])
    except Fault as fault:
        problem = problem_of_fault(fault)
        _log.warning("fault", route=operation.path, code=problem.code, error=str(fault))
        return problem_response(problem, context, scope["path"])


def _needs_key(operation: Operation, query: bytes) -> bool:
    return not operation.public and not (operation.signed and b"signature=" in query)


def _problem_outside_operations(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    scope = cast("Scope", request.scope)
    response = problem_response(_translate(scope, error), scope[REQUEST_CONTEXT], scope["path"])
    headers = {name.decode(): value.decode("latin-1") for name, value in response.headers[2:]}
    media_type = response.headers[0][1].decode()
    return Response(response.body, status_code=response.status, headers=headers, media_type=media_type)


def _translate(scope: Scope, error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, Fault):
        return problem_of_fault(error)
    if not isinstance(error, HTTPException):
        _log.error("bug", route=scope.get("path_template"), exc_info=error)
        detail = "this is a defect of the service; give the operator the request_id"
        return ProblemError("internal_error", detail, status=500)
    code = code_for(error.status_code)
    return ProblemError(code, error.detail or "the request cannot be read", status=error.status_code)
