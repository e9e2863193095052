"""Strict JSON against the standard decoder as the oracle."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_common.contracts.foreign import DEPTH_MAX
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.json_input import check_json

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


@given(VALUES, st.booleans())
def test_every_ordinary_value_is_read_as_the_standard_decoder_reads_it(value: Any, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert check_json(raw) == json.loads(raw)


@given(st.dictionaries(TEXT, SCALARS, min_size=1, max_size=5), st.data())
def test_a_repeated_name_is_refused_wherever_it_stands(value: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(value)))
    body = json.dumps(value)[:-1] + f", {json.dumps(name)}: 1}}"
    for around in ("%s", "[1, %s]", '{"outer": %s}'):
        with pytest.raises(ProblemError, match="is repeated in one object"):
            check_json((around % body).encode())


@given(st.binary(max_size=80))
def test_any_bytes_are_a_value_or_a_problem(raw: bytes) -> None:
    with contextlib.suppress(ProblemError):
        assert check_json(raw) == json.loads(raw)


@given(st.integers(1, 200), st.booleans())
def test_depth_is_counted_exactly(depth: int, objects: bool) -> None:
    opening, closing = ('{"a":', "}") if objects else ("[", "]")
    raw = (opening * depth + "1" + closing * depth).encode()
    if depth <= DEPTH_MAX:
        check_json(raw)
    else:
        with pytest.raises(ProblemError, match="deeper"):
            check_json(raw)


@given(st.lists(st.just([]), min_size=65, max_size=300))
def test_width_is_not_depth(value: list[Any]) -> None:
    assert check_json(json.dumps(value).encode()) == value
