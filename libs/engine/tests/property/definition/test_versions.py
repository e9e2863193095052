"""`version_order` against the rules of semver.org, section 11."""

from functools import cmp_to_key
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_engine.checks.versions import VERSION_MAX, is_version, version_order

numbers = st.one_of(st.integers(0, 20), st.integers(0, 10**20)).map(str)
fields = st.one_of(numbers, st.from_regex(r"[0-9]*[a-zA-Z-][0-9a-zA-Z-]{0,5}", fullmatch=True))
pre_releases = st.lists(fields, min_size=1, max_size=4).map(".".join)
versions = st.builds(
    lambda a, b, c, pre, build: f"{a}.{b}.{c}" + (f"-{pre}" if pre else "") + (f"+{build}" if build else ""),
    numbers,
    numbers,
    numbers,
    st.one_of(st.none(), pre_releases),
    st.sampled_from([None, "build.7", "001"]),
).filter(lambda version: len(version) <= VERSION_MAX)


def precedence(left: str, right: str) -> int:
    (left_core, left_pre), (right_core, right_pre) = _split(left), _split(right)
    if left_core != right_core:
        return -1 if left_core < right_core else 1
    if not left_pre or not right_pre:
        return (not left_pre) - (not right_pre)
    for a, b in zip(left_pre, right_pre, strict=False):
        if a != b:
            return -1 if _field(a) < _field(b) else 1
    return len(left_pre) - len(right_pre)


def _split(version: str) -> tuple[list[int], list[str]]:
    version = version.split("+", maxsplit=1)[0]
    core, _, pre = version.partition("-")
    return [int(part) for part in core.split(".")], pre.split(".") if pre else []


def _field(field: str) -> tuple[Any, ...]:
    return (0, int(field)) if field.isdecimal() else (1, field)


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


@given(versions, versions)
def test_bytes_of_the_key_order_as_semver_orders_versions(left: str, right: str) -> None:
    a, b = version_order(left).encode(), version_order(right).encode()
    assert sign(precedence(left, right)) == (a > b) - (a < b)


@given(st.lists(versions, max_size=6))
def test_sorting_by_key_is_sorting_by_precedence(given_versions: list[str]) -> None:
    by_key = [version_order(version) for version in sorted(given_versions, key=version_order)]
    by_rule = [version_order(version) for version in sorted(given_versions, key=cmp_to_key(precedence))]
    assert by_key == by_rule


def test_the_example_of_semver_org_comes_out_in_its_order() -> None:
    expected = [
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
    ]
    assert sorted(set(expected), key=version_order) == expected


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "01.0.0", "1.0.0-", "1.0.0-01", "v1.0.0", "1.0.0\n", "1.0.0-ä", "1." * 60]
)
def test_what_is_no_semantic_version_is_refused(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ValueError, match="semantic version"):
        version_order(text)
