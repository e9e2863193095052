"""Receive requests of providers that were verified as bytes: read, then committed as events, and answered."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.hooks import HookReceipt
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_gateway.hooks.receiving.outcomes import Outcomes
from visapi_gateway.hooks.rules.bodies import Content
from visapi_gateway.hooks.rules.events import Delivery, event_of, identified, source_of
from visapi_gateway.hooks.rules.live_hooks import LiveHook
from visapi_gateway.hooks.rules.providers import PROVIDERS
from visapi_gateway.hooks.rules.requests import HookRequest, Refused
from visapi_gateway.hooks.rules.scheme import Challenge, Description

_TOO_MANY = 429
_encode = msgspec.json.Encoder().encode


class ReadContent(Protocol):
    async def __call__(self, tenant: str, content_type: str | None, body: bytes) -> Content:
        """The body as data. Raises `ProblemError` 400, and 429 where too much of the tenant waits."""
        ...


class DeliveryLedger(Protocol):
    async def put(self, delivery: Delivery) -> bool:
        """Commit the delivery and its event; False where the delivery was accepted before."""
        ...


AdmitHook = Callable[[UUID], float | None]
"""Count a request of a hook. Returns the seconds to wait where it sends too much."""
FindHook = Callable[[str], Awaitable[LiveHook | None]]


class Receiving:
    """See the module's docstring."""

    def __init__(
        self,
        read: ReadContent,
        ledger: DeliveryLedger,
        *,
        admit: AdmitHook,
        outcomes: Outcomes,
        ids: Ids,
    ) -> None:
        self._read = read
        self._ledger = ledger
        self._admit = admit
        self._outcomes = outcomes
        self._ids = ids

    async def receive(
        self, hook: LiveHook, request: HookRequest, at: datetime, address: str
    ) -> HookReceipt | Challenge:
        """Accept a request of the hook's provider. Raises `ProblemError` 400 for a body that cannot be read,
        and 429.
        """
        if (wait_s := self._admit(hook.id)) is not None:
            self._outcomes.refused(hook, _RATE, address)
            raise _too_fast(wait_s)
        content = await self._content(hook, request, address)
        said = _described(hook, request, content)
        if isinstance(said, Challenge):
            self._outcomes.greeted(hook)
            return said
        if isinstance(said, Refused):
            self._outcomes.refused(hook, said, address)
            raise ProblemError("invalid_body", said.detail, status=400)
        fresh = await self._ledger.put(self._delivery(hook, request, said, content, at))
        self._outcomes.accepted(hook, fresh=fresh)
        return HookReceipt(said.id, not fresh)

    async def _content(self, hook: LiveHook, request: HookRequest, address: str) -> Content:
        try:
            return await self._read(hook.tenant, request.header("content-type"), request.body)
        except ProblemError as problem:
            reason = "rate" if problem.status == _TOO_MANY else "body"
            self._outcomes.refused(hook, Refused(reason, problem.detail), address)
            raise

    def _delivery(
        self, hook: LiveHook, request: HookRequest, said: Description, content: Content, at: datetime
    ) -> Delivery:
        event = event_of(hook, said, request, content, at)
        return Delivery(
            tenant=hook.tenant,
            hook=hook.id,
            id=self._ids.uuid7(),
            delivery=said.id,
            source=source_of(hook.name),
            type=event["type"],
            subject=said.subject,
            size=len(request.body),
            event=_encode(event),
        )


_RATE = Refused("rate", "the hook receives more requests than it may (VISAPI_HOOK_RATE_PER_S)")


def _described(hook: LiveHook, request: HookRequest, content: Content) -> Description | Refused | Challenge:
    said = PROVIDERS[hook.provider].describe(request, content.data, hook.settings)
    return identified(said, request, content, hook.settings) if isinstance(said, Description) else said


def _too_fast(wait_s: float) -> ProblemError:
    wait = max(1, int(wait_s) + 1)
    detail = f"the hook receives more requests than it may; send the request again after {wait} s"
    return ProblemError("rate_limited", detail, status=429, headers={"Retry-After": str(wait)})
