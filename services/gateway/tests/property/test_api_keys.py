"""Keys: what was minted is read back, and whatever is not is refused before any lookup."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_common.core import api_keys
from visapi_common.core.redact import redact_text

KINDS = st.sampled_from(api_keys.KINDS)
BITS = st.integers(0, 2**256 - 1)


@given(KINDS, st.integers(0, 2**128 - 1), BITS)
def test_a_minted_key_is_read_back_and_never_shown(kind: str, id_bits: int, secret_bits: int) -> None:
    token = api_keys.mint(kind, id_bits, secret_bits)
    parsed = api_keys.parse(token)
    assert (parsed.kind, parsed.token) == (kind, token)
    assert token not in redact_text(f"key {token} was used")
    assert token not in repr(parsed)


@given(KINDS, BITS, st.integers(0, 78), st.sampled_from("0Az_é "))
def test_one_changed_character_is_refused(kind: str, bits: int, place: int, character: str) -> None:
    token = api_keys.mint(kind, bits, bits)
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    if changed != token:
        with pytest.raises(ValueError):
            api_keys.parse(changed)


@given(st.text(max_size=120))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        api_keys.parse(text)


def test_an_unknown_kind_is_not_minted() -> None:
    with pytest.raises(ValueError, match="live, test, admin"):
        api_keys.mint("root", 1, 1)


@given(BITS)
def test_the_hash_depends_on_pepper_and_key(bits: int) -> None:
    token = api_keys.mint("live", bits, bits)
    one = api_keys.hash_key(b"a" * 32, token)
    assert len(one) == 32
    assert api_keys.hash_matches(one, api_keys.hash_key(b"a" * 32, token))
    assert not api_keys.hash_matches(one, api_keys.hash_key(b"b" * 32, token))
