"""Authentication policies of an endpoint, as the input of a call holds them."""

import msgspec

from visapi_common.core.errors import ProblemError
from visapi_notifier.credentials.rules.oauth import Policy

POLICY_MAX_BYTES = 128 * 1024
"""The largest credentials are chains of certificates."""


class Basic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    username: str
    password: str


class Bearer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client certificate in PEM, with those that vouch for it; `password` is of an encrypted key."""

    certificate: str
    key: str
    password: str | None = None


class Authentication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One policy, inline: named ones are resolved before the task is made."""

    basic: Basic | None = None
    bearer: Bearer | None = None
    certificate: Certificate | None = None
    digest: Basic | None = None
    oauth2: Policy | None = None
    oidc: Policy | None = None


def check_policy(policy: Authentication | None) -> None:
    """Raises `ProblemError` for credentials that are too large."""
    if policy is not None and len(msgspec.json.encode(policy)) > POLICY_MAX_BYTES:
        raise ProblemError(
            "invalid_input", f"/endpoint/authentication: more than {POLICY_MAX_BYTES} bytes of credentials"
        )
