"""Authenticates calls: requests, caches and renews tokens, and answers challenges.

A 401 means that the call had no effect, so the call is repeated once with a new token or an answer to the
challenge.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import urlsplit

from visapi_common.core.clocks import Clock
from visapi_common.core.errors import TransientFault, UnknownFault
from visapi_common.core.outbound import Inbound, Outbound
from visapi_notifier.credentials.rules import digest_auth, oauth
from visapi_notifier.credentials.rules.oauth import Policy, Token
from visapi_notifier.credentials.rules.policies import Authentication, Basic
from visapi_notifier.outbound.rules.masking import Mask

TOKENS_MAX = 1000
RENEW_SHARE = 0.8
"""The fraction of its life after which a token is renewed."""
_UNAUTHORIZED = 401

Send = Callable[[Outbound], Awaitable[Inbound]]


class Authenticator:
    """Shared by all calls of the process. Tokens are kept per tenant and policy, in memory only."""

    def __init__(self, exchange: Send, clock: Clock, new_nonce: Callable[[], str]) -> None:
        self._exchange = exchange
        self._clock = clock
        self._new_nonce = new_nonce
        self._tokens: dict[str, tuple[Token, float]] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def exchange(
        self, tenant: str, policy: Authentication | None, outbound: Outbound, mask: Mask
    ) -> Inbound:
        """Make the call, all of it within `outbound.timeout_s`; tokens are added to `mask`.

        Raises `TokenRefused` and the guard's faults; then nothing was sent.
        """
        budget = _Budget(self._clock, outbound.timeout_s)
        exchange = partial(_within, self._exchange, budget)
        if policy is not None and policy.oauth2 is not None:
            asked = _TokenRequest(tenant, "oauth2", policy.oauth2, exchange, mask, budget)
            return await self._with_token(asked, outbound)
        if policy is not None and policy.oidc is not None:
            asked = _TokenRequest(tenant, "oidc", policy.oidc, exchange, mask, budget)
            return await self._with_token(asked, outbound)
        inbound = await self._exchange(outbound)
        if policy is not None and policy.digest is not None and inbound.status == _UNAUTHORIZED:
            return await self._answer(policy.digest, outbound, inbound, exchange)
        return inbound

    async def _answer(self, digest: Basic, outbound: Outbound, inbound: Inbound, exchange: Send) -> Inbound:
        challenge = digest_auth.read_challenge(
            value for name, value in inbound.headers if name.lower() == "www-authenticate"
        )
        if challenge is None:
            return inbound
        parts = urlsplit(inbound.url)
        value = digest_auth.answer(
            challenge,
            username=digest.username,
            password=digest.password,
            method=outbound.method,
            target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            cnonce=self._new_nonce(),
        )
        return await exchange(_authorized(replace(outbound, url=inbound.url), value))

    async def _with_token(self, asked: "_TokenRequest", outbound: Outbound) -> Inbound:
        key = oauth.cache_key(asked.tenant, asked.kind, asked.policy)
        token = await self._token(key, asked)
        inbound = await asked.exchange(_authorized(outbound, f"{token.kind} {token.value}"))
        if inbound.status != _UNAUTHORIZED:
            return inbound
        known = self._tokens.get(key)
        if known is not None and known[0] is token:
            del self._tokens[key]
        token = await self._token(key, asked)
        return await asked.exchange(_authorized(outbound, f"{token.kind} {token.value}"))

    async def _token(self, key: str, asked: "_TokenRequest") -> Token:
        """The cached token, or a new one; one token request at a time per policy."""
        lock = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(asked.budget.left_s):
                await lock.acquire()
        except TimeoutError as error:
            raise TransientFault("no token: another call still asks for it") from error
        try:
            known = self._tokens.get(key)
            if known is None or self._clock.monotonic() >= known[1]:
                known = await self._new_token(key, asked)
            asked.mask.add([known[0].value])
            return known[0]
        finally:
            lock.release()

    async def _new_token(self, key: str, asked: "_TokenRequest") -> tuple[Token, float]:
        try:
            token = await self._ask(asked)
        except UnknownFault as fault:
            # Whatever the outcome of the token request, the call itself was not made.
            raise TransientFault(f"no token: {fault}") from fault
        if len(self._tokens) >= TOKENS_MAX:
            self._tokens.clear()
            self._asking = {key: self._asking[key]}
        kept = self._tokens[key] = (token, self._clock.monotonic() + token.expires_in_s * RENEW_SHARE)
        return kept

    async def _ask(self, asked: "_TokenRequest") -> Token:
        policy = asked.policy
        url = oauth.token_url(policy)
        if asked.kind == "oidc":
            found = await asked.exchange(
                Outbound("GET", oauth.discovery_url(policy), timeout_s=oauth.TIMEOUT_S, redirects=3)
            )
            url = oauth.read_discovery(found)
        request = oauth.build_request(
            policy, url, now_s=int(self._clock.now().timestamp()), nonce=self._new_nonce()
        )
        return oauth.read_token(policy, await asked.exchange(request), asked.mask)


class _Budget:
    """The time limit of a call, which its token request shares."""

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._ends = clock.monotonic() + limit_s

    @property
    def left_s(self) -> float:
        return max(0.001, self._ends - self._clock.monotonic())


@dataclass(frozen=True, slots=True)
class _TokenRequest:
    """Whose token is needed, and what its request may use."""

    tenant: str
    kind: str
    policy: Policy
    exchange: Send
    mask: Mask
    budget: _Budget


async def _within(exchange: Send, budget: _Budget, outbound: Outbound) -> Inbound:
    return await exchange(replace(outbound, timeout_s=budget.left_s))


def _authorized(outbound: Outbound, value: str) -> Outbound:
    headers = [(name, given) for name, given in outbound.headers if name.lower() != "authorization"]
    return replace(outbound, headers=[*headers, ("authorization", value)])
