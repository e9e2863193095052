"""Durations: constants and the values of expressions are held to the same rules."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from visapi_engine.checks.durations import MS_MAX, UNITS_MS, constant_ms, duration_ms
from visapi_engine.source.findings import Findings

units = st.sampled_from([*UNITS_MS, "months", "years", "Seconds", ""])
counts = st.integers(-5, 10**13) | st.floats() | st.booleans() | st.none() | st.text(max_size=3)
texts = st.from_regex(r"\A-?P([0-9.]{1,4}[YMWD]){0,3}(T([0-9.]{1,4}[HMS]){0,3})?\Z") | st.text(max_size=8)
values = st.dictionaries(units, counts, max_size=3) | texts | st.none() | st.integers() | st.lists(counts)


@given(values)
def test_what_a_constant_may_be_an_expression_may_give(value: Any) -> None:
    findings = Findings()
    constant = constant_ms(findings, value, "", "`wait`")
    try:
        evaluated = duration_ms(value)
    except ValueError:
        assert findings.errors
        return
    assert not findings.errors
    assert evaluated == constant
    assert 0 <= evaluated <= MS_MAX
