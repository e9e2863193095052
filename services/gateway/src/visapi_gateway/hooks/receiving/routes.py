"""The door of hooks: no key, but an address that nobody can guess, and a signature."""

from typing import Annotated, Any

import msgspec

from visapi_common.contracts.hooks import HookReceipt
from visapi_gateway.hooks.receiving.service import FindHook, Receiving
from visapi_gateway.hooks.receiving.verifying import Verification
from visapi_gateway.hooks.rules.live_hooks import LiveHook
from visapi_gateway.hooks.rules.providers import PROVIDERS
from visapi_gateway.hooks.rules.requests import HookRequest
from visapi_gateway.hooks.rules.scheme import Challenge
from visapi_gateway.kernel.access.tenant import WHOSE
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, Response, json_response

_PATH = "/v1/hooks/in/{address:str}"
TEXT = "text/plain"
_BODIES = ("application/json", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream")


class HandshakeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Annotated[str, msgspec.Meta(max_length=32, description="`subscribe`.")] | None = msgspec.field(
        name="hub.mode", default=None
    )
    token: Annotated[str, msgspec.Meta(max_length=1024, description="The hook's `verify_token`.")] | None = (
        msgspec.field(name="hub.verify_token", default=None)
    )
    challenge: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=1024, pattern=r"^[\x21-\x7e]+$", description="The text that is sent back."
            ),
        ]
        | None
    ) = msgspec.field(name="hub.challenge", default=None)


RECEIVE = Operation(
    "POST",
    _PATH,
    "receiveWebhook",
    "Receive a webhook of the hook's provider",
    {
        200: ResponseSpec(
            "Accepted; for providers that take 200 alone for success. Slack's `url_verification` gets its "
            "challenge.",
            HookReceipt,
            ("application/json", TEXT),
        ),
        202: ResponseSpec(
            "Accepted: the event is committed. A repeated delivery changes nothing.", HookReceipt
        ),
    },
    description=(
        "The raw body is verified before anything of it is read. Unknown hooks, wrong signatures and disabled"
        " hooks are answered alike. A body is JSON, a form, text or bytes."
    ),
    tag="hooks",
    public=True,
    body=Any,
    body_types=_BODIES,
    produces=(),
    problems=("hook_refused", "rate_limited", "outcome_unknown"),
)
HANDSHAKE = Operation(
    "GET",
    _PATH,
    "verifyWebhook",
    "Answer the handshake of WhatsApp",
    {200: ResponseSpec("The challenge.", None, (TEXT,))},
    tag="hooks",
    public=True,
    query=HandshakeQuery,
    produces=(),
    problems=("hook_refused",),
)


class ReceivingRoutes:
    """The handlers of the operations above."""

    def __init__(self, find: FindHook, verification: Verification, receiving: Receiving) -> None:
        self._find = find
        self._verification = verification
        self._receiving = receiving

    def routes(self) -> list[Route]:
        return [Route(RECEIVE, self.receive), Route(HANDSHAKE, self.handshake)]

    async def receive(self, call: Call) -> AsgiResponse:
        hook = await self._find(call.path["address"])
        request = HookRequest.of(call.scope["headers"], await call.read_body())
        peer = call.context.slot.peer
        at = await self._verification.check(hook, request, peer)
        assert hook is not None, "a request to no hook is refused"
        _pass_to(hook, call)
        outcome = await self._receiving.receive(hook, request, at, peer)
        if isinstance(outcome, Challenge):
            return _text(outcome.text)
        rules = PROVIDERS[hook.provider]
        if rules.silent:
            return Response(rules.accepted, b"", media_type=TEXT.encode())
        return json_response(outcome, rules.accepted)

    async def handshake(self, call: Call) -> AsgiResponse:
        hook = await self._find(call.path["address"])
        return _text(self._verification.greet(hook, call.query, call.context.slot.peer))


def _pass_to(hook: LiveHook, call: Call) -> None:
    """From here on the request holds a slot of its hook's, not of its address: providers send the webhooks of
    all tenants from the same few addresses. Before its signature was found right it holds none, because
    whoever knows a hook's URL could take all slots of the tenant.
    """
    call.context.tenant = hook.tenant
    call.context.slot.pass_to(hook.tenant, f"hook:{hook.id}")
    WHOSE.set(hook.tenant)


def _text(text: str) -> AsgiResponse:
    return Response(200, text.encode(), media_type=b"text/plain; charset=utf-8")
