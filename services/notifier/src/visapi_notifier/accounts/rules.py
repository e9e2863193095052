"""An account as stored, and its settings and credentials as a channel reads them. Pure."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.contracts.account_kinds import KINDS, Kind
from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.core.errors import PermanentFault

REFUSED_RETRY_S = 30.0
"""The wait after a refusal of all credentials that could be opened, where another version lacks its key.
Longer than other waits, because providers lock out a user after many refusals.
"""

_read = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class SealedVersion:
    """One version of an account: its settings, and its credentials as they are sealed."""

    id: UUID
    settings: bytes
    sealed: bytes
    sealed_with: str
    number: int = 1
    """The version as the tenant knows it."""


@dataclass(frozen=True, slots=True)
class SealedAccount:
    """An account: its current version, and the one that overlaps it after a rotation."""

    name: str
    kind: str
    versions: tuple[SealedVersion, ...]


@dataclass(frozen=True, slots=True)
class OpenedVersion:
    """Settings and credentials of the account's kind (`contracts/account_kinds.py`)."""

    settings: Any
    credentials: Any


@dataclass(frozen=True, slots=True)
class Account:
    """The versions of an account, the current one first. Where the provider refuses the credentials of a
    version, those of the next version are tried. `key_missing`: another version needs a sealing key that the
    operator has not set here, so a refusal of all versions here says nothing about the account.
    """

    name: str
    versions: tuple[OpenedVersion, ...]
    key_missing: bool = False


class CredentialsRefused(PermanentFault):
    """The provider knows no such credentials: nothing was sent."""


Probe = Callable[[OpenedVersion, float], Awaitable[str]]
"""Tries credentials at the provider within so many seconds, leaves within 2 more, and sends nothing; what the
provider said. Raises
`CredentialsRefused`, and another `Fault` where the provider said nothing about them.
"""


def opened(kind: Kind, version: SealedVersion, credentials: bytes) -> OpenedVersion:
    """Raises `PermanentFault` for a version that this release cannot read."""
    shape = KINDS[kind]
    return OpenedVersion(_stored(version.settings, shape.settings), _stored(credentials, shape.credentials))


def secrets_of(kind: Kind, version: OpenedVersion) -> list[str]:
    """The secrets of a version, which are masked everywhere."""
    credentials: dict[str, str] = msgspec.structs.asdict(version.credentials)
    return [value for name, value in credentials.items() if name not in KINDS[kind].plain]


def _stored(stored: bytes, shape: type[msgspec.Struct]) -> msgspec.Struct:
    """Members that this release does not know are ignored, because a later release may have written them."""
    known = {field.encode_name for field in msgspec.structs.fields(shape)}
    try:
        return msgspec.convert({name: one for name, one in _read(stored).items() if name in known}, shape)
    except msgspec.ValidationError as wrong:
        part = shape.__name__
        raise PermanentFault(f"the account's {part} cannot be read: store the account again") from wrong


def no_such_account(name: str) -> WorkflowError:
    detail = f"there is no account {name!r}; store it with `visapi account put`, then retry"
    return standard_error("configuration", 404, title="No such account", detail=detail)


def other_kind(account: SealedAccount, wanted: Kind) -> WorkflowError:
    detail = f"the account {account.name!r} is of kind {account.kind}; this call needs one of kind {wanted}"
    return standard_error("configuration", 400, title="Account of another kind", detail=detail)
