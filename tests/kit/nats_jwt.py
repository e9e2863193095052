"""JWTs of a NATS operator, account and user, as `nsc` makes them: a server that knows its users by credentials."""

import base64
import binascii
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

_PREFIXES = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
_SEED = 18 << 3
_UNLIMITED = {
    **dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1),
    "wildcards": True,
}


class Identity:
    """A key pair of one kind."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._key = Ed25519PrivateKey.generate()
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = _encoded(bytes([_PREFIXES[kind]]) + raw)

    @property
    def seed(self) -> str:
        raw = self._key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        prefix = _PREFIXES[self.kind]
        return _encoded(bytes([_SEED | (prefix >> 5), (prefix & 31) << 3]) + raw)

    def issue(self, subject: "Identity", **claims: Any) -> str:
        """A JWT that says this of `subject`."""
        head = _part({"typ": "JWT", "alg": "ed25519-nkey"})
        body = _part(
            {
                "jti": "test",
                "iat": 1_700_000_000,
                "iss": self.public,
                "name": subject.kind,
                "sub": subject.public,
                "nats": {"type": subject.kind, "version": 2, **claims},
            }
        )
        return f"{head}.{body}.{_base64(self._key.sign(f'{head}.{body}'.encode()))}"


def operated(operator: Identity, account: Identity) -> str:
    """The part of a server's configuration that trusts the operator and knows the account."""
    known = operator.issue(account, limits=_UNLIMITED)
    return (
        f"operator: {operator.issue(operator)}\nresolver: MEMORY\n"
        f"resolver_preload: {{ {account.public}: {known} }}\n"
    )


def credentials(account: Identity, user: Identity, *, publish: list[str], subscribe: list[str]) -> str:
    """The contents of a `.creds` file."""
    rights = {"pub": {"allow": publish}, "sub": {"allow": subscribe}}
    jwt = account.issue(user, subs=-1, data=-1, payload=-1, **rights)
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        "IMPORTANT: treat this as a secret.\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )


def _encoded(raw: bytes) -> str:
    checksum = binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw + checksum).decode().rstrip("=")


def _part(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
