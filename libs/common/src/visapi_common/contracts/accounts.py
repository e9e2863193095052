"""The public shapes of accounts at providers; no response contains a credential."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from visapi_common.contracts.account_kinds import Kind
from visapi_common.contracts.formats import written_version

AccountName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z", max_length=63)]
OVERLAP_MAX_S = 30 * 86_400
VERSIONS_MAX = 10
"""Versions of one account that are kept, with their credentials."""


class PutAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new state of an account. Its kind determines the members of `settings` and `credentials`.
    `default`: calls that name no account use this account of its kind.
    """

    kind: Kind
    credentials: dict[str, Any]
    settings: dict[str, Any] = {}
    default: bool = False


class RotateAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """New credentials; the settings stay. `overlap_s`: the seconds, 0 to 30 days, for which the earlier
    credentials are tried where the provider refuses the new ones.
    """

    credentials: dict[str, Any]
    overlap_s: Annotated[int, msgspec.Meta(ge=0, le=OVERLAP_MAX_S)] = 86_400


class RollBackAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version to use again; without one, the version before the current one."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None


class CredentialView(msgspec.Struct, frozen=True):
    """A credential that is set. `ends_with`: the last four characters of a long random credential."""

    name: str
    ends_with: str | None = None


class AccountOverlap(msgspec.Struct, frozen=True):
    """The version whose credentials are tried too, and until when."""

    version: int
    until: datetime


class AccountView(msgspec.Struct, frozen=True):
    """An account with the settings of its current `version`."""

    name: str
    kind: str
    default: bool
    version: int
    settings: dict[str, Any]
    credentials: list[CredentialView]
    overlap: AccountOverlap | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    links: dict[str, str]


class AccountPage(msgspec.Struct, frozen=True):
    items: list[AccountView]
    next: str | None


class AccountVersionView(msgspec.Struct, frozen=True):
    """A version. `overlapping`: its credentials are tried where the provider refuses those of `current`."""

    version: int
    state: Literal["current", "overlapping", "kept"]
    settings: dict[str, Any]
    credentials: list[CredentialView]
    created_at: datetime
    created_by: str


class AccountVersionPage(msgspec.Struct, frozen=True):
    """All versions that are kept, the newest first; `next` is always null."""

    items: list[AccountVersionView]
    next: str | None = None


TryOutcome = Literal["accepted", "refused", "failed", "unopened"]
"""`accepted`: the provider took the credentials. `refused`: the provider knows no such credentials. `failed`:
the provider was not reached, or said nothing about the credentials. `unopened`: VisAPI cannot open the
credentials; rotate them.
"""


class TriedVersion(msgspec.Struct, frozen=True):
    """What became of the credentials of one version. `detail` has no credential."""

    version: int
    state: Literal["current", "overlapping"]
    outcome: TryOutcome
    detail: str
    took_ms: int


class AccountVerification(msgspec.Struct, frozen=True):
    """The credentials that calls use, each tried once at the provider. `verified`: those of the current
    version were accepted.
    """

    account: str
    kind: str
    verified: bool
    versions: list[TriedVersion]


class TryAccount(msgspec.Struct, frozen=True):
    """Sent to `subjects.CONTROL_ACCOUNTS`: the gateway asks the notifier to try an account of a tenant."""

    tenant: str
    account: AccountName
    v: int = msgspec.field(default_factory=written_version)


NotTried = Literal["tenant_busy", "notifier_busy", "failed"]
"""`tenant_busy`: the tenant has as many verifications as it may have. `notifier_busy`: all tenants together
have as many as the notifier carries out. `failed`: the notifier could not read the account, or stops.
"""


class AccountTried(msgspec.Struct, frozen=True):
    """The answer: the versions, the current one first; none where the account is gone. `retry_after_s` is
    set where there is no outcome, and `not_tried` says why.
    """

    versions: list[TriedVersion]
    retry_after_s: float | None = None
    not_tried: NotTried | None = None
    v: int = msgspec.field(default_factory=written_version)
