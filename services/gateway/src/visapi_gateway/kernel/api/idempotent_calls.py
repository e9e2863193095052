"""Carry out a request once for each `Idempotency-Key`; a request that comes again is answered by a replay."""

import hashlib

from visapi_common.core.errors import ProblemError, TransientFault
from visapi_gateway.kernel.api.operation import Call, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse
from visapi_gateway.kernel.idempotency.hashes import RequestHashes
from visapi_gateway.kernel.idempotency.rules import AnswerOf, Claim, InFlight, KeyTaken

REPLAYED = (b"idempotent-replayed", b"true")


class IdempotentCalls:
    """See the module's docstring."""

    def __init__(self, answer_of: AnswerOf, hashes: RequestHashes) -> None:
        self._answer_of = answer_of
        self._hashes = hashes
        self._in_flight = InFlight()

    async def __call__(self, route: Route, call: Call) -> AsgiResponse:
        """The answer to a call of an operation that honours the key. Raises `ProblemError` 400, 409 and
        422.
        """
        key = call.idempotency_key
        if key is None:
            return await route.handler(call)
        tenant = call.principal.tenant
        with self._in_flight.of(tenant, key) as call.flight:
            if route.replay is None:
                return await route.handler(call)
            if route.hash_of is None:
                call.claim = self._hashes.claim(tenant, key, await request_hash(call))
            else:
                call.claim = Claim(tenant, key, await route.hash_of(call))
            return await self._once(route, call, call.claim)

    async def _once(self, route: Route, call: Call, claim: Claim) -> AsgiResponse:
        answer = await self._answer_of(claim)
        if answer is None:
            try:
                return await route.handler(call)
            except KeyTaken:
                answer = await self._answer_of(claim)
            except ProblemError:
                # Another replica may have carried out the same request meanwhile: what it changed is what
                # this one is refused for.
                answer = await self._answer_of(claim)
                if answer is None:
                    raise
        if answer is None:
            detail = "the Idempotency-Key was released just now; send the request again"
            raise TransientFault(detail, retry_after_s=1.0)
        assert route.replay is not None, "checked by the caller"
        response = await route.replay(call, answer)
        call.context.extra.append(REPLAYED)
        return response


async def request_hash(call: Call) -> bytes:
    """The hash of a request: its method, path, query and body, byte for byte."""
    body = await call.read_body()
    scope = call.scope
    head = f"{scope['method']} {scope['path']}?".encode() + scope["query_string"] + b"\n"
    return hashlib.sha256(head + body).digest()
