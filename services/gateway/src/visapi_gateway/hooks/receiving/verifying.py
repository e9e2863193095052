"""Verify requests, as the bytes that they are.

Unknown hooks, wrong signatures and disabled hooks are answered alike, after the same work; only whoever may
read the hook learns the reason.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn, Protocol

from visapi_common.contracts.hooks import Purpose
from visapi_common.core.clocks import WallClock
from visapi_common.core.errors import ProblemError
from visapi_gateway.hooks.receiving.outcomes import Outcomes
from visapi_gateway.hooks.rules.live_hooks import NO_HOOK, LiveHook
from visapi_gateway.hooks.rules.providers import PROVIDERS
from visapi_gateway.hooks.rules.requests import HookRequest, Refused, Verdict
from visapi_gateway.hooks.rules.signing import is_same

IN_THE_LOOP = 64 * 1024
"""Bytes whose HMACs are computed in the event loop, in tenths of a millisecond; larger bodies have a thread.
"""
NO_SECRET = ("no-secret-of-any-hook-is-this-text",)


class OpenSecrets(Protocol):
    def __call__(self, hook: LiveHook, purpose: Purpose) -> Sequence[str]:
        """The secrets of a hook for a purpose. Raises a `Fault` where a key is missing."""
        ...


class Handshake(Protocol):
    """The query of WhatsApp's handshake."""

    mode: str | None
    token: str | None
    challenge: str | None


class Verification:
    """See the module's docstring."""

    def __init__(self, secrets: OpenSecrets, outcomes: Outcomes, clock: WallClock) -> None:
        self._secrets = secrets
        self._outcomes = outcomes
        self._clock = clock

    async def check(self, hook: LiveHook | None, request: HookRequest, address: str) -> datetime:
        """The time of a request of the provider: the signed one, else now. Raises `ProblemError` 401."""
        now = self._clock.now()
        verdict = await self._verdict(hook or NO_HOOK, request, now)
        if hook is None:
            raise self._unknown()
        if isinstance(verdict, Refused):
            self._refuse(hook, verdict, address)
        return verdict.signed_at or now

    def greet(self, hook: LiveHook | None, given: Handshake, address: str) -> str:
        """The challenge of a handshake, for whoever has the token. Raises `ProblemError` 401."""
        asked = hook or NO_HOOK
        tokens = self._secrets(asked, "handshake") if PROVIDERS[asked.provider].greets else ()
        # Without a token the comparison takes its time all the same, and its outcome counts for nothing.
        same = is_same(given.token or "", tokens or NO_SECRET)
        good = bool(tokens) and same
        if hook is None:
            raise self._unknown()
        if not hook.enabled:
            self._refuse(hook, _DISABLED, address)
        if not good or given.mode != "subscribe" or given.challenge is None:
            self._refuse(
                hook, Refused("handshake", "the mode or the token of the handshake is wrong"), address
            )
        self._outcomes.greeted(hook)
        return given.challenge

    async def _verdict(self, hook: LiveHook, request: HookRequest, now: datetime) -> Verdict:
        rules = PROVIDERS[hook.provider]
        secrets = self._secrets(hook, "signature") if rules.needs_secret else ()
        lacking = rules.needs_secret and not secrets
        known = NO_SECRET if lacking else secrets
        if len(request.body) <= IN_THE_LOOP:
            verdict = rules.verify(request, known, hook.settings, now)
        else:
            verdict = await asyncio.to_thread(rules.verify, request, known, hook.settings, now)
        if not hook.enabled:
            return _DISABLED
        if lacking:
            return Refused("secret", "the hook has no valid secret; give it the provider's")
        return verdict

    def _unknown(self) -> ProblemError:
        self._outcomes.unknown()
        return refused_alike()

    def _refuse(self, hook: LiveHook, refused: Refused, address: str) -> NoReturn:
        self._outcomes.refused(hook, refused, address)
        raise refused_alike()


_DISABLED = Refused("disabled", "the hook is disabled; enable it to accept requests")


def refused_alike() -> ProblemError:
    """One answer for everything before a sender has proved to be the provider."""
    detail = (
        "there is no such hook, or the request does not prove that it is its provider's; whoever may read the"
        " hook finds the reason under its refusals"
    )
    challenge = {"WWW-Authenticate": 'Basic realm="visapi"'}
    return ProblemError("hook_refused", detail, status=401, headers=challenge)
