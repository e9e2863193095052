"""Rings of keys: which key is used when, and what a forged or missing id leads to."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from visapi_common.core.effect_key import task_token, token_proves
from visapi_common.core.keyrings import KEYS_MAX, Keyring, MissingKeyError
from visapi_common.core.sealing import UnsealError, seal, unseal_with

OLD, NEW = "11" * 32, "22" * 32
AT = datetime(2026, 12, 1, 12, tzinfo=UTC)
RING = Keyring.read(f"{NEW}@2026-12-01T12:00:00Z\n{OLD}\n")
BEFORE, AFTER = AT - timedelta(milliseconds=1), AT
PLACE = {"tenant": "acme", "name": "token"}


def test_a_key_is_used_from_its_time_and_accepted_before():
    assert RING.at(BEFORE).secret == bytes.fromhex(OLD)
    assert RING.at(AFTER).secret == bytes.fromhex(NEW)
    assert {key.secret.hex() for key in RING.to_try(None)} == {OLD, NEW}


def test_the_order_in_which_keys_are_written_changes_nothing():
    assert Keyring.read(f"{OLD}, {NEW}@2026-12-01T13:00:00+01:00") == RING
    assert Keyring.read(RING.text()) == RING


def test_a_key_of_before_that_was_dropped_is_told_from_one_that_is_there():
    dropped = Keyring.read(f"{NEW}@2026-12-01T12:00:00Z")
    assert dropped.then(AFTER) == dropped.at(AFTER)
    assert dropped.then(BEFORE) is None
    assert RING.then(BEFORE) == RING.at(BEFORE)


def test_a_key_of_the_far_future_is_accepted_and_not_used():
    ring = Keyring.read(f"{NEW}@9999-12-31T23:59:59Z {OLD}")
    assert ring.at(datetime.now(UTC)).secret.hex() == OLD
    assert Keyring.read(f"{NEW}@9999-12-31T23:59:59Z").at(AT).secret.hex() == NEW, "there is no other"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected 1 to 4 keys, found 0"),
        (
            " ".join(f"{n:02x}" * 32 + f"@20{n + 10}-01-01T00:00:00Z" for n in range(5)),
            "expected 1 to 4 keys",
        ),
        (f"{OLD},{NEW}", "each key but the oldest needs a time of its own"),
        (f"{OLD}@2026-12-01T12:00:00Z,{NEW}@2026-12-01T12:00:00Z", "each key but the oldest needs a time"),
        (f"{OLD}@2026-12-01T12:00:00Z,{OLD}", "the same key stands there twice"),
        (f"{OLD}@2026-12-01T12:00:00", "is no time with a zone"),
        (f"{OLD}@tomorrow", "'tomorrow' is no time with a zone"),
        (f"{OLD}@1969-01-01T00:00:00Z", "is no time with a zone"),
        ("abc", "expected an even number of hex digits"),
        ("\u0660\u0660", "expected an even number of hex digits"),
        ("00" * 8, "a key has 8 bytes; allowed: 16 to 256"),
    ],
)
def test_a_wrong_ring_is_refused_without_a_part_of_a_key(text: str, told: str):
    with pytest.raises(ValueError, match=told) as refused:
        Keyring.read(text, bytes_min=16)
    assert OLD[:8] not in str(refused.value)


def test_a_key_shows_its_id_and_not_itself():
    assert RING.keys[0].id in repr(RING)
    assert NEW[:8] not in repr(RING)
    assert "secret" not in repr(RING)


@pytest.mark.parametrize("forged", [None, "00000000", "x" * 1000, RING.keys[0].id])
def test_whatever_id_a_row_names_its_value_opens_with_the_key_that_sealed_it(forged: str | None):
    sealed = seal(bytes.fromhex(OLD), b"value", **PLACE, nonce=bytes(12))
    assert unseal_with(RING, sealed, key_id=forged, **PLACE) == b"value"


def test_a_value_under_a_missing_key_is_the_operators_matter_and_a_changed_one_is_not():
    elsewhere = Keyring.of(b"e" * 32)
    sealed = seal(elsewhere.keys[0].secret, b"value", **PLACE, nonce=bytes(12))
    with pytest.raises(MissingKeyError, match=f"sealed with key {elsewhere.keys[0].id}"):
        unseal_with(RING, sealed, key_id=elsewhere.keys[0].id, **PLACE)
    with pytest.raises(UnsealError):
        unseal_with(RING, sealed, key_id=RING.keys[0].id, **PLACE)


def test_a_token_of_any_key_of_the_ring_proves_and_no_other():
    run = UUID(int=7)
    for key in RING.keys:
        assert token_proves(RING, run, "/do/0/a", 1, given=task_token(key.secret, run, "/do/0/a", 1))
    assert not token_proves(RING, run, "/do/0/a", 1, given=task_token(b"e" * 32, run, "/do/0/a", 1))
    assert not token_proves(RING, run, "/do/0/a", 1, given="é")


def test_a_ring_has_few_keys_to_try():
    parts = [f"{number:02x}" * 32 + f"@20{number + 20}-01-01T00:00:00Z" for number in range(1, KEYS_MAX + 1)]
    assert len(Keyring.read(",".join(parts)).to_try("unknown")) == KEYS_MAX
