"""The cost of one expression: native, in jq, and of the same work in plain Python."""

import time
from collections.abc import Callable
from typing import Any

import jq

from visapi_engine.expressions.evaluate import Scope, build_evaluator
from visapi_engine.model.program import Jq, Program

_DATA = {"order": {"items": [{"price": n} for n in range(10)], "customer": {"name": "Ada"}}}
_NATIVE = ".order.customer.name"
_JQ = ".order.items | map(.price) | add"


def native_us() -> float:
    """Microseconds for a path on the native way."""
    return _evaluate_us(_NATIVE)


def jq_us() -> float:
    """Microseconds for a filter that jq must run, inside the engine process."""
    return _evaluate_us(_JQ)


def python_us() -> float:
    return _mean_us(lambda: _DATA["order"]["customer"])


def bare_jq_us() -> float:
    compiled: Any = jq.compile(_JQ)
    return _mean_us(lambda: compiled.input_value(_DATA).first())


def _evaluate_us(source: str) -> float:
    program = Program(namespace="bench", name="bench", version="1.0.0", children=[], nodes={}, document={})
    evaluator = build_evaluator(program)
    template, scope = Jq(source), Scope(_DATA, {})
    return _mean_us(lambda: evaluator(template, scope))


def _mean_us(work: Callable[[], Any], *, seconds: float = 0.5) -> float:
    work()
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for _ in range(100):
            work()
        done += 100
    return (time.perf_counter() - began) / done * 1e6
