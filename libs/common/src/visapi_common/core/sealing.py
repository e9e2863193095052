"""Encryption of values at rest: AES-256-GCM with the tenant and the name as associated data, so that a sealed
value opens only under its own tenant and name.
"""

from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from visapi_common.core.keyrings import Keyring, MissingKeyError

NONCE_BYTES = 12


class UnsealError(Exception):
    """The value was sealed with another key, for another tenant or name, or was changed."""


def seal(key: bytes, value: bytes, *, tenant: str, name: str, nonce: bytes) -> bytes:
    """Seal a value; `nonce` is 12 random bytes, never used twice with a key."""
    return nonce + AESGCM(key).encrypt(nonce, value, _place(tenant, name))


def unseal(key: bytes, sealed: bytes, *, tenant: str, name: str) -> bytes:
    """The value. Raises `UnsealError`."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _place(tenant, name))
    except (InvalidTag, ValueError) as wrong:
        raise UnsealError(f"the secret {name!r} cannot be opened with this key") from wrong


def unseal_with(keys: Keyring, sealed: bytes, *, key_id: str | None, tenant: str, name: str) -> bytes:
    """The value, by whichever key of the ring opens it; `key_id` names the key that should. Raises
    `MissingKeyError` where that key is not in the ring, else `UnsealError`.
    """
    for key in keys.to_try(key_id):
        try:
            return unseal(key.secret, sealed, tenant=tenant, name=name)
        except UnsealError:
            continue
    if keys.lacks(key_id):
        raise MissingKeyError(
            f"the secret {name!r} of tenant {tenant} is sealed with key {key_id}, which is not in "
            "VISAPI_SEALING_KEY of this service; put the key back"
        )
    raise UnsealError(f"the secret {name!r} cannot be opened with any key of this service")


def name_of_hook_secret(hook: UUID, secret: UUID) -> str:
    """The name under which a secret of a hook is sealed. No workflow secret can have such a name, so the two
    cannot be exchanged. `visapi admin reseal` makes the same name in SQL.
    """
    return f"hook/{hook}/{secret}"


def name_of_endpoint_secret(endpoint: UUID, secret: UUID) -> str:
    """As `name_of_hook_secret`, of a secret that signs webhooks to an endpoint."""
    return f"endpoint/{endpoint}/{secret}"


def name_of_account_version(account: str, version: UUID) -> str:
    """As `name_of_hook_secret`, of the credentials of one version of an account."""
    return f"account/{account}/{version}"


def _place(tenant: str, name: str) -> bytes:
    return f"{tenant}\0{name}".encode()
