"""Make, change, rotate and remove hooks. Secrets are sealed on arrival; no operation returns one that was
given.
"""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.hooks import (
    HookPage,
    HookView,
    MadeHook,
    NewHook,
    Provider,
    Purpose,
    RotateHook,
    UpdateHook,
)
from visapi_common.contracts.problems import FieldError
from visapi_common.core.errors import ProblemError
from visapi_common.core.ids import Ids
from visapi_common.core.sealing import name_of_hook_secret
from visapi_gateway.audit.rules import entry
from visapi_gateway.hooks.managing.rules import (
    check_new,
    has_handshake,
    refuse,
    secret_flaws,
    settings_flaws,
    token_flaws,
)
from visapi_gateway.hooks.rules.addresses import address_of
from visapi_gateway.hooks.rules.providers import PROVIDERS
from visapi_gateway.hooks.rules.stored_settings import write_settings
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.api.etags import Check, match_check
from visapi_gateway.kernel.idempotency.rules import Claim
from visapi_gateway.kernel.pages import one_page
from visapi_gateway.kernel.sealing import SealingKeys

_SECRET_BYTES = 32
_ADDRESS_BYTES = 20


class HookRow(msgspec.Struct, frozen=True):
    """A hook to store; `settings` is their JSON."""

    tenant: str
    id: UUID
    name: str
    address: str
    provider: Provider
    settings: bytes
    by: str


class SecretRow(msgspec.Struct, frozen=True):
    """A sealed secret of a hook."""

    tenant: str
    hook: UUID
    id: UUID
    purpose: Purpose
    sealed: bytes
    sealed_with: str
    by: str


class HookStore(Protocol):
    async def put(
        self, hook: HookRow, secrets: Sequence[SecretRow], audit: AuditEntry, claim: Claim | None
    ) -> bool:
        """Store a hook with its secrets; False where another one has the name."""
        ...

    async def one(self, tenant: str, hook: UUID) -> HookView | None: ...
    async def page(
        self, tenant: str, name: str | None, after: str | None, limit: int
    ) -> Sequence[HookView]: ...
    async def update(
        self, hook: UUID, enabled: bool | None, settings: bytes | None, audit: AuditEntry, check: Check
    ) -> bool:
        """Change a hook; False where there is no such hook. Raises what `check` raises of the hook."""
        ...

    async def rotate(
        self, secret: SecretRow, overlap_s: int, audit: AuditEntry, check: Check, claim: Claim | None
    ) -> bool:
        """Store a secret, and let earlier ones of its purpose end, by the database's clock. False where there
        is no such hook. Raises `ProblemError` 409 where too many stay valid, and what `check` raises.
        """
        ...

    async def remove(self, hook: UUID, audit: AuditEntry, check: Check) -> bool: ...


class Hooks:
    """The hooks of a tenant. `random` makes secrets and addresses. `if_match` is the header of a request;
    None changes a hook whatever its state.
    """

    def __init__(
        self,
        store: HookStore,
        keys: SealingKeys,
        *,
        random: Callable[[int], bytes],
        ids: Ids,
    ) -> None:
        self._store = store
        self._keys = keys
        self._random = random
        self._ids = ids

    async def make(self, who: Requester, wanted: NewHook, claim: Claim | None) -> MadeHook:
        """Raises `ProblemError` 400 and 409."""
        check_new(wanted)
        rules, hook = PROVIDERS[wanted.provider], self._ids.uuid7()
        made_secret = (
            rules.mint(self._random(_SECRET_BYTES)) if rules.generates and not wanted.secret else None
        )
        made_token = self._token() if has_handshake(wanted.provider) and not wanted.verify_token else None
        given: list[tuple[Purpose, str | None]] = [
            ("signature", wanted.secret or made_secret),
            ("handshake", wanted.verify_token or made_token),
        ]
        rows = [self._sealed(who, hook, purpose, text) for purpose, text in given if text]
        address = address_of(self._random(_ADDRESS_BYTES))
        settings = write_settings(wanted.settings)
        row = HookRow(who.tenant, hook, wanted.name, address, wanted.provider, settings, who.actor)
        audit = entry(
            who, AuditAction.HOOK_CREATE, f"hook:{hook}", name=wanted.name, provider=wanted.provider
        )
        if not await self._store.put(row, rows, audit, claim):
            detail = f"there is a hook {wanted.name!r} already; choose another name, or change that one"
            raise ProblemError("hook_exists", detail, status=409)
        return _made(await self.one(who.tenant, hook), made_secret, made_token)

    async def made_before(self, tenant: str, hook: UUID) -> MadeHook:
        """A hook that an earlier request made or gave a secret, without the secret. Raises `ProblemError`
        404.
        """
        return _made(await self.one(tenant, hook), None, None)

    async def one(self, tenant: str, hook: UUID) -> HookView:
        """Raises `ProblemError` 404."""
        found = await self._store.one(tenant, hook)
        if found is None:
            raise no_such_hook(hook)
        return found

    async def page(self, tenant: str, name: str | None, after: str | None, limit: int) -> HookPage:
        """By name. `next` is the name to continue from."""
        rows = await self._store.page(tenant, name, after, limit + 1)
        return HookPage(*one_page(rows, limit, lambda row: row.name))

    async def update(
        self, who: Requester, hook: UUID, wanted: UpdateHook, if_match: str | None = None
    ) -> HookView:
        """Raises `ProblemError` 400, 404 and 412."""
        before = await self.one(who.tenant, hook)
        enabled = None if wanted.enabled is msgspec.UNSET else wanted.enabled
        settings: bytes | None = None
        if wanted.settings is not msgspec.UNSET:
            refuse(settings_flaws(before.provider, wanted.settings))
            settings = write_settings(wanted.settings)
        audit = entry(
            who,
            AuditAction.HOOK_UPDATE,
            f"hook:{hook}",
            enabled=enabled,
            settings=settings and settings.decode(),
        )
        if not await self._store.update(hook, enabled, settings, audit, _check(hook, if_match)):
            raise no_such_hook(hook)
        return await self.one(who.tenant, hook)

    async def rotate(
        self, who: Requester, hook: UUID, wanted: RotateHook, if_match: str | None, claim: Claim | None
    ) -> MadeHook:
        """Raises `ProblemError` 400, 404, 409 and 412."""
        before = await self.one(who.tenant, hook)
        made, text = self._next_secret(before.provider, wanted)
        row = self._sealed(who, hook, wanted.purpose, text)
        audit = entry(
            who,
            AuditAction.HOOK_ROTATE,
            f"hook:{hook}",
            secret=str(row.id),
            purpose=wanted.purpose,
            overlap_s=wanted.overlap_s,
        )
        if not await self._store.rotate(row, wanted.overlap_s, audit, _check(hook, if_match), claim):
            raise no_such_hook(hook)
        after = await self.one(who.tenant, hook)
        signature = wanted.purpose == "signature"
        return _made(after, made if signature else None, None if signature else made)

    async def remove(self, who: Requester, hook: UUID, if_match: str | None = None) -> None:
        """Raises `ProblemError` 404 and 412."""
        audit = entry(who, AuditAction.HOOK_REMOVE, f"hook:{hook}")
        if not await self._store.remove(hook, audit, _check(hook, if_match)):
            raise no_such_hook(hook)

    def _next_secret(self, provider: Provider, wanted: RotateHook) -> tuple[str | None, str]:
        """What was generated, and the secret."""
        handshake = wanted.purpose == "handshake"
        if wanted.secret is not None:
            find_flaws = token_flaws if handshake else secret_flaws
            refuse(find_flaws(provider, wanted.secret, "/secret"))
            return None, wanted.secret
        if handshake:
            refuse(token_flaws(provider, made := self._token(), "/purpose"))
            return made, made
        rules = PROVIDERS[provider]
        made = rules.mint(self._random(_SECRET_BYTES))
        if not rules.generates:
            refuse(secret_flaws(provider, made) or [_must_be_given(provider)])
        return made, made

    def _token(self) -> str:
        return self._random(_SECRET_BYTES // 2).hex()

    def _sealed(self, who: Requester, hook: UUID, purpose: Purpose, text: str) -> SecretRow:
        key, secret = self._keys.current(), self._ids.uuid7()
        sealed = key.seal(text.encode(), tenant=who.tenant, name=name_of_hook_secret(hook, secret))
        return SecretRow(who.tenant, hook, secret, purpose, sealed, key.id, who.actor)


def _must_be_given(provider: Provider) -> FieldError:
    return FieldError("/secret", f"{provider} makes its secrets itself; give the one that it shows")


def _made(view: HookView, secret: str | None, token: str | None) -> MadeHook:
    return MadeHook(**msgspec.structs.asdict(view), secret=secret, verify_token=token)


def _check(hook: UUID, if_match: str | None) -> Check:
    return match_check(if_match, f"hook {hook}")


def no_such_hook(hook: UUID) -> ProblemError:
    return ProblemError(
        "hook_not_found", f"there is no hook {hook}; list hooks with GET /v1/hooks", status=404
    )
