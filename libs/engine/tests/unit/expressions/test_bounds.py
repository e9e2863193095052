"""Values that expressions make are bounded as they would be stored: in bytes and in levels."""

from typing import Any

import pytest

from visapi_common.contracts.foreign import BUILT_DEPTH_MAX
from visapi_common.contracts.payloads import PAYLOAD_LIMIT
from visapi_engine.expressions.bounds import bounded
from visapi_engine.expressions.evaluate import ExpressionError, Scope, build_evaluator
from visapi_engine.expressions.scope import DIRECT
from visapi_engine.model.program import Jq, Program

PROGRAM = Program(namespace="test", name="t", version="1.0.0", children=[], nodes={}, document={})


def nested(levels: int, inside: Any = None) -> Any:
    for _ in range(levels):
        inside = [inside]
    return inside


@pytest.mark.parametrize("inside", [None, "]" * 300, ["x" * 300_000]])
def test_what_is_nested_too_deeply_is_refused(inside: Any) -> None:
    bounded(nested(BUILT_DEPTH_MAX - 1, inside), DIRECT)
    with pytest.raises(ExpressionError, match="nested too deeply"):
        bounded(nested(BUILT_DEPTH_MAX + 250, inside), DIRECT)


def test_what_shares_its_parts_is_measured_as_it_would_be_stored() -> None:
    value: Any = "x" * 1000
    for _ in range(13):
        value = {"a": value, "b": value}
    bounded(value, DIRECT)
    with pytest.raises(ExpressionError, match=f"allowed are {PAYLOAD_LIMIT}"):
        bounded([value, value, value], DIRECT)


@pytest.mark.parametrize(
    "expression", ["{a: ., b: .}", "[., .]", ". + .", '"\\(.)\\(.)"', ".[0:] + .", "[.[0:], .]"]
)
def test_whatever_makes_a_value_is_bounded(expression: str) -> None:
    with pytest.raises(ExpressionError, match="makes a value of"):
        build_evaluator(PROGRAM)(Jq(expression), Scope("x" * (PAYLOAD_LIMIT - 10)))


def test_a_part_of_a_value_is_free() -> None:
    value = {"a": nested(BUILT_DEPTH_MAX + 250)}
    assert build_evaluator(PROGRAM)(Jq(".a"), Scope(value)) is value["a"]
