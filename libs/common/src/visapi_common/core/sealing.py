"""Encryption of values at rest: AES-256-GCM with the tenant and the name as associated data, so that a sealed
value opens only under its own tenant and name.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

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


def _place(tenant: str, name: str) -> bytes:
    return f"{tenant}\0{name}".encode()
