"""Credentials of a NATS user (a `.creds` file): the JWT that says what the user may do, and the key that
proves it.

nats-py reads such files with a package of its own for Ed25519; `cryptography`, which is here, has that too.
"""

import base64
import binascii
import re
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_JWT = re.compile(r"-+BEGIN NATS USER JWT-+\s+(\S+)\s+-+END NATS USER JWT-+")
_SEED = re.compile(r"-+BEGIN USER NKEY SEED-+\s+(\S+)\s+-+END USER NKEY SEED-+")
_SEED_PREFIX = 18 << 3
_USER_PREFIX = 20 << 3
_SEED_BYTES = 32
_CRC_BYTES = 2


class Credentials(NamedTuple):
    jwt: str
    seed: bytes

    def sign(self, nonce: str) -> bytes:
        """The proof that the server asks for, in base64."""
        return base64.b64encode(Ed25519PrivateKey.from_private_bytes(self.seed).sign(nonce.encode()))


def read_credentials(text: str) -> Credentials:
    """Raises `ValueError` for something else than a user's credentials; it shows nothing of the text."""
    jwt, seed = _JWT.search(text), _SEED.search(text)
    if jwt is None or seed is None:
        raise ValueError(
            "it holds no NATS USER JWT with its USER NKEY SEED, as `nsc generate creds` writes them"
        )
    return Credentials(jwt[1], _seed(seed[1]))


def _seed(text: str) -> bytes:
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        raise ValueError("its USER NKEY SEED is damaged") from None
    body, checksum = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
    if len(body) != _SEED_BYTES + 2 or binascii.crc_hqx(body, 0).to_bytes(2, "little") != checksum:
        raise ValueError("its USER NKEY SEED is damaged")
    kind = ((body[0] & 0b111) << 5) | (body[1] >> 3)
    if body[0] & 0b11111000 != _SEED_PREFIX or kind != _USER_PREFIX:
        raise ValueError("its seed is not a user's; that of an account or operator stays where they are kept")
    return body[2:]
