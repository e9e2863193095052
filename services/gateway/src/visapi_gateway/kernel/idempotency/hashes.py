"""Hashes of requests under a key of the installation: whoever reads the database cannot try which body a
request had, such as one with a secret in it.

A stored hash is the id of its key and a MAC, which depends on the tenant and the `Idempotency-Key` as well.
Rotation keeps replays: a hash under an earlier key of the ring is recognised, and one whose key was dropped
is taken as that of the same request, for nobody can tell any more. Hashes without a key are from before.
"""

import hmac

from visapi_common.core.clocks import WallClock
from visapi_common.core.keyrings import Key, Keyring
from visapi_gateway.kernel.idempotency.rules import Claim

ID_BYTES = 4
STORED_BYTES = ID_BYTES + 32


class RequestHashes:
    """`keys` is the ring of the links, whose earlier keys are kept for as long as an `Idempotency-Key`."""

    def __init__(self, keys: Keyring, clock: WallClock) -> None:
        self._keys = keys
        self._clock = clock

    def claim(self, tenant: str, key: str, digest: bytes) -> Claim:
        """The claim of a request with this SHA-256."""
        asked = f"visapi request\n{tenant}\n{key}\n".encode() + digest
        used = self._keys.at(self._clock.now())
        former = [_under(one, asked) for one in self._keys.keys if one is not used]
        return Claim(tenant, key, _under(used, asked), (digest, *former))


def _under(key: Key, asked: bytes) -> bytes:
    return bytes.fromhex(key.id) + hmac.digest(key.secret, asked, "sha256")


def is_same(claim: Claim, stored: bytes) -> bool:
    """Whether a stored hash is that of the claim's request."""
    if stored == claim.request_hash or stored in claim.former:
        return True
    if len(stored) != STORED_BYTES or len(claim.request_hash) != STORED_BYTES:
        return False
    known = {one[:ID_BYTES] for one in (claim.request_hash, *claim.former) if len(one) == STORED_BYTES}
    return stored[:ID_BYTES] not in known
