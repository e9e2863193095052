"""The bound of the cheap path: a validator that counts its steps never needs more than weight times bytes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_gateway.workflows.rules.schema_cost import WEIGHT_MAX, weight_of

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 99) | st.text("ab1", max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(NAMES, inner, max_size=3)
    keywords = {
        "type": st.sampled_from(["object", "array", "string", "integer"]),
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "const": VALUES,
        "minLength": st.integers(0, 3),
        "pattern": st.sampled_from(["^a+$", "[ab]{2}", "(a|b)*1", "\\d"]),
        "required": st.lists(NAMES, unique=True),
        "properties": named,
        "dependentSchemas": named,
        "additionalProperties": inner,
        "propertyNames": inner,
        "items": inner,
        "prefixItems": several,
        "contains": inner,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "allOf": several,
        "anyOf": several,
        "oneOf": several,
        "$ref": st.sampled_from(["#/$defs/one", "#/$defs/two"]),
    }
    return st.fixed_dictionaries({}, optional=keywords) | st.booleans()


SCHEMAS = st.recursive(st.booleans(), _schemas, max_leaves=8)


def _applied(keyword: str, stated: Any, schema: Any, value: Any) -> list[tuple[Any, Any]]:
    """Which schemas a keyword holds against which values; a validator that stops early asks fewer."""
    fields = value if isinstance(value, dict) else {}
    items = value if isinstance(value, list) else []
    found: dict[str, Callable[[], list[tuple[Any, Any]]]] = {
        "allOf": lambda: [(one, value) for one in stated],
        "anyOf": lambda: [(one, value) for one in stated * 2],
        "oneOf": lambda: [(one, value) for one in stated * 2],
        "properties": lambda: [(stated[name], fields[name]) for name in stated if name in fields],
        "dependentSchemas": lambda: [(stated[name], value) for name in stated if name in fields],
        "additionalProperties": lambda: [
            (stated, fields[name]) for name in fields if name not in schema.get("properties", {})
        ],
        "propertyNames": lambda: [(stated, name) for name in fields],
        "items": lambda: [(stated, item) for item in items[len(schema.get("prefixItems", [])) :]],
        "prefixItems": lambda: list(zip(stated, items, strict=False)),
        "contains": lambda: [(stated, item) for item in items],
    }
    if keyword in ("not", "if", "then", "else"):
        return [(stated, value)]
    return found[keyword]() if keyword in found else []


def steps(root: Any, schema: Any, value: Any) -> int:
    """How often a validator asks something: each schema, each keyword, each value or character it compares."""
    if isinstance(schema, bool):
        return 1
    count = 1
    for keyword, stated in schema.items():
        if keyword == "$defs":
            continue
        count += 1
        if keyword == "$ref":
            count += steps(root, root["$defs"][stated.rsplit("/", 1)[1]], value)
        if keyword in ("enum", "required"):
            count += len(stated)
        if keyword in ("minLength", "pattern") and isinstance(value, str):
            count += len(value)
        count += sum(steps(root, *pair) for pair in _applied(keyword, stated, schema, value))
    return count


@given(st.fixed_dictionaries({"one": SCHEMAS, "two": SCHEMAS}), SCHEMAS, VALUES)
def test_no_schema_with_a_weight_needs_more_steps_than_weight_times_bytes(definitions, schema, value):
    whole = {"$defs": definitions, "allOf": [schema]}
    weight = weight_of(whole)
    if weight is None:
        return
    raw = json.dumps(value, separators=(",", ":")).encode()
    assert steps(whole, whole, value) <= weight * len(raw)


def test_references_that_double_have_no_weight():
    doubling = {
        f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}, {"$ref": f"#/$defs/d{level + 1}"}]}
        for level in range(40)
    }
    whole = {"$defs": {**doubling, "d40": {"type": "integer"}}, "$ref": "#/$defs/d0"}
    assert weight_of(whole) is None
    few = {"$defs": {**{f"d{n}": doubling[f"d{n}"] for n in range(36, 40)}, "d40": {}}, "$ref": "#/$defs/d36"}
    assert 2**4 < (weight_of(few) or 0) < 2**9


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}},
        {"$ref": "#/$defs/missing"},
        {"$ref": "https://example.com/s"},
        {"$dynamicRef": "#a"},
        {"$id": "https://example.com/s"},
        {"uniqueItems": True},
        {"unevaluatedProperties": False},
        {"patternProperties": {"a": True}},
        {"pattern": "(a+){50}"},
        {"pattern": "\\w+"},
        {"pattern": "(?i)a"},
        {"pattern": "a" * 300},
        {"format": "regex"},
        {"format": "idn-hostname"},
        {"multipleOf": 1e-300},
        {"enum": ["x" * (WEIGHT_MAX + 1)]},
        {"$defs": {"unused": {"enum": list(range(WEIGHT_MAX))}}},
        {"allOf": "no list"},
        5,
        {"properties": {f"p{n}": {"properties": {f"q{m}": {} for m in range(200)}} for n in range(200)}},
    ],
)
def test_whatever_has_no_linear_cost_has_no_weight(schema):
    assert weight_of(schema) is None


def test_a_schema_nested_beyond_every_depth_has_no_weight():
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"not": schema}
    assert weight_of(schema) is None


def test_an_ordinary_schema_is_light():
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["reference", "applicant"],
        "additionalProperties": False,
        "properties": {
            "reference": {"type": "string", "pattern": "^[A-Z]{2}-\\d{6}$"},
            "applicant": {
                "type": "object",
                "properties": {"name": {"type": "string", "minLength": 1}, "email": {"format": "email"}},
            },
            "priority": {"enum": ["low", "high"]},
        },
    }
    assert (weight_of(schema) or 0) < 1500
