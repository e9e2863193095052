"""Hashes of requests that are held with an `Idempotency-Key`."""

import hashlib

from kit.fakes.clocks import FakeClock
from visapi_common.core.keyrings import Key, Keyring
from visapi_gateway.kernel.idempotency.hashes import RequestHashes, is_same
from visapi_gateway.kernel.idempotency.rules import Claim

DAY_S = 86_400
FIRST, SECOND = Key(b"1" * 32), Key(b"2" * 32, int((FakeClock().now().timestamp() + DAY_S) * 1000))
BODY, OTHER = (hashlib.sha256(text).digest() for text in (b'{"value":"secret"}', b'{"value":"else"}'))


def claim(keys: tuple[Key, ...], digest: bytes = BODY, *, days: int = 0, key: str = "k") -> Claim:
    clock = FakeClock()
    clock.now_s += days * DAY_S
    return RequestHashes(Keyring(keys), clock).claim("acme", key, digest)


def test_a_stored_hash_tells_nothing_to_whoever_has_no_key() -> None:
    stored = claim((FIRST,)).request_hash
    assert BODY not in stored
    assert stored != claim((SECOND,)).request_hash
    assert stored != claim((FIRST,), key="another").request_hash, "equal bodies do not look equal"


def test_the_same_request_is_known_and_another_is_not() -> None:
    stored = claim((FIRST,)).request_hash
    assert is_same(claim((FIRST,)), stored)
    assert not is_same(claim((FIRST,), OTHER), stored)


def test_a_rotation_refuses_no_replay() -> None:
    ring = (SECOND, FIRST)
    before = claim((FIRST,)).request_hash
    meanwhile, after = claim(ring).request_hash, claim(ring, days=2).request_hash
    assert before == meanwhile != after
    for stored in (before, after):
        for days in (0, 2):
            assert is_same(claim(ring, days=days), stored)
            assert not is_same(claim(ring, OTHER, days=days), stored)


def test_under_a_key_that_was_dropped_no_request_can_be_told_from_another() -> None:
    """To refuse a replay would be wrong for certain; to answer it carries out nothing twice."""
    stored = claim((FIRST,)).request_hash
    assert is_same(claim((SECOND,), days=2), stored)


def test_a_hash_of_before_is_known_and_protects_as_it_did() -> None:
    assert is_same(claim((FIRST,)), BODY)
    assert not is_same(claim((FIRST,)), OTHER)


def test_a_request_with_a_hash_of_its_own_is_never_taken_for_another() -> None:
    assert not is_same(Claim("acme", "k", OTHER), claim((FIRST,)).request_hash)
