"""Carries out the authentication of a call: tokens asked for, kept and renewed; challenges answered.

A 401 happened to nobody, so the call is made once more with a new token or with the answer to the
challenge.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol
from urllib.parse import urlsplit

from visapi_common.core.errors import TransientFault, UnknownFault
from visapi_common.core.outbound import Inbound, Outbound
from visapi_notifier.core import digest_auth, oauth
from visapi_notifier.core.channels.http import Authentication, Basic
from visapi_notifier.core.oauth import Policy, Token

TOKENS_MAX = 1000
RENEW_SHARE = 0.8
"""A token is renewed when this much of its life is over."""
_UNAUTHORIZED = 401

Exchange = Callable[[Outbound], Awaitable[Inbound]]


class Clock(Protocol):
    def monotonic(self) -> float: ...
    def unix_s(self) -> int: ...


class Authenticator:
    """Shared by all calls of the process. Tokens are kept per tenant and policy, in memory only."""

    def __init__(self, exchange: Exchange, clock: Clock, new_nonce: Callable[[], str]) -> None:
        self._exchange = exchange
        self._clock = clock
        self._new_nonce = new_nonce
        self._tokens: dict[str, tuple[Token, float]] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def exchange(self, tenant: str, policy: Authentication | None, outbound: Outbound) -> Inbound:
        """Make the call. Raises `TokenRefused` and the guard's faults; then nothing was sent."""
        if policy is not None and policy.oauth2 is not None:
            return await self._with_token(tenant, "oauth2", policy.oauth2, outbound)
        if policy is not None and policy.oidc is not None:
            return await self._with_token(tenant, "oidc", policy.oidc, outbound)
        inbound = await self._exchange(outbound)
        if policy is not None and policy.digest is not None and inbound.status == _UNAUTHORIZED:
            return await self._answer(policy.digest, outbound, inbound)
        return inbound

    async def _answer(self, digest: Basic, outbound: Outbound, inbound: Inbound) -> Inbound:
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
        return await self._exchange(_authorized(replace(outbound, url=inbound.url), value))

    async def _with_token(self, tenant: str, kind: str, policy: Policy, outbound: Outbound) -> Inbound:
        key = oauth.cache_key(tenant, kind, policy)
        token = await self._token(key, kind, policy)
        inbound = await self._exchange(_authorized(outbound, f"{token.kind} {token.value}"))
        if inbound.status != _UNAUTHORIZED:
            return inbound
        known = self._tokens.get(key)
        if known is not None and known[0] is token:
            del self._tokens[key]
        token = await self._token(key, kind, policy)
        return await self._exchange(_authorized(outbound, f"{token.kind} {token.value}"))

    async def _token(self, key: str, kind: str, policy: Policy) -> Token:
        """The kept token, or a new one; one request at a time per policy."""
        async with self._asking.setdefault(key, asyncio.Lock()):
            known = self._tokens.get(key)
            if known is not None and self._clock.monotonic() < known[1]:
                return known[0]
            try:
                token = await self._ask(kind, policy)
            except UnknownFault as fault:
                # Whatever became of the token request, the call itself was not made.
                raise TransientFault(f"no token: {fault}") from fault
            if len(self._tokens) >= TOKENS_MAX:
                self._tokens.clear()
                self._asking = {key: self._asking[key]}
            self._tokens[key] = (token, self._clock.monotonic() + token.expires_in_s * RENEW_SHARE)
            return token

    async def _ask(self, kind: str, policy: Policy) -> Token:
        url = oauth.token_url(policy)
        if kind == "oidc":
            found = await self._exchange(
                Outbound("GET", oauth.discovery_url(policy), timeout_s=oauth.TIMEOUT_S, redirects=3)
            )
            url = oauth.read_discovery(found)
        request = oauth.build_request(policy, url, now_s=self._clock.unix_s(), nonce=self._new_nonce())
        return oauth.read_token(policy, await self._exchange(request))


def _authorized(outbound: Outbound, value: str) -> Outbound:
    headers = [(name, given) for name, given in outbound.headers if name.lower() != "authorization"]
    return replace(outbound, headers=[*headers, ("authorization", value)])
