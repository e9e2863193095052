from hypothesis import given
from hypothesis import strategies as st

from visapi_common.core.redact import redact, redact_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
SECRET = st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", min_size=20, max_size=40)


@given(st.text(), SECRET, st.text())
def test_an_api_key_never_survives_whatever_stands_around_it(before: str, secret: str, after: str):
    key = f"visapi_live_k3y_{secret}"
    assert secret not in redact_text(f"{before} {key} {after}").replace(before, "").replace(after, "")


@given(JSON)
def test_redacting_twice_changes_nothing_more(value: object):
    once = redact(value)
    assert redact(once) == once
