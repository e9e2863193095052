"""A hook as a request finds it. Pure."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from visapi_common.contracts.hooks import HookSettings, Provider, Purpose


class HookSecret(msgspec.Struct, frozen=True):
    """A valid secret, sealed."""

    id: UUID
    purpose: Purpose
    sealed: bytes
    sealed_with: str


class LiveHook(msgspec.Struct, frozen=True):
    """A hook with its valid secrets."""

    tenant: str
    id: UUID
    name: str
    provider: Provider
    settings: HookSettings
    enabled: bool
    secrets: Sequence[HookSecret]


NO_HOOK = LiveHook(
    tenant="",
    id=UUID(int=0),
    name="none",
    provider="github",
    settings=HookSettings(),
    enabled=False,
    secrets=(),
)
"""What a request to an unknown hook is verified against: as much work as any other, and always in vain."""
