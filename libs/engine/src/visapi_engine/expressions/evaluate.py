"""The interface of expressions for the machine: a scope, an evaluator, and one kind of failure.

`build_evaluator` prepares the expressions of a program once; evaluating is then a pure function
of (template, scope). Data is never scanned for expressions.
"""

from collections.abc import Callable
from typing import Any, Protocol

from visapi_engine.expressions.bounds import bounded
from visapi_engine.expressions.gate import CheckedExpression, Refused, inspect
from visapi_engine.expressions.libjq import JqProgram
from visapi_engine.expressions.native import parse
from visapi_engine.expressions.scope import DIRECT, ExpressionError, OverBudget, Runner, Scope
from visapi_engine.expressions.values import Defer, truthy
from visapi_engine.model.program import Jq, Literal, Program, Record, Sequence, Template

__all__ = [
    "Evaluator",
    "ExpressionError",
    "OverBudget",
    "Scope",
    "build_evaluator",
    "truth",
]

_Fill = Callable[[Scope], Any]
_MAKERS = frozenset({"+", "[", "{"})
"""Expressions that build values; other native expressions give parts of existing values, or small values."""


class Evaluator(Protocol):
    """Fills in a template of the program it was built for."""

    def __call__(self, template: Template, scope: Scope) -> Any:
        """The template's value. Raises `ExpressionError`. The result may share parts of the scope."""
        ...


def truth(value: Any) -> bool:
    """The truth of a condition, as in jq: everything but `false` and `null`."""
    return truthy(value)


def build_evaluator(program: Program, run: Runner = DIRECT) -> Evaluator:
    """An evaluator for the templates of one program, for an engine process: jq runs inside, by `run`."""
    return _ProgramEvaluator(program, run)


class _ProgramEvaluator:
    """Templates are found by identity, which holds because the program is kept alive here."""

    def __init__(self, program: Program, run: Runner) -> None:
        self._program = program
        self._run = run
        self._known: dict[int, tuple[Template, _Fill]] = {}

    def __call__(self, template: Template, scope: Scope) -> Any:
        known = self._known.get(id(template))
        if known is None:
            known = self._known[id(template)] = (template, _whole(template, self._run))
        try:
            return known[1](scope)
        except MemoryError as error:
            raise ExpressionError("the expression needs too much memory") from error


def _whole(template: Template, run: Runner) -> _Fill:
    """A template whose value is bounded, also if it is built from several values."""
    fill = _fill(template, run)
    if isinstance(template, Literal | Jq):
        return fill
    return lambda scope: bounded(fill(scope), run)


def _fill(template: Template, run: Runner) -> _Fill:
    match template:
        case Literal(value):
            return lambda _: value
        case Jq():
            return _expression(template, run)
        case Record(fields):
            filled = [(name, _fill(field, run)) for name, field in fields.items()]
            return lambda scope: {name: field(scope) for name, field in filled}
        case Sequence(items):
            parts = [_fill(item, run) for item in items]
            return lambda scope: [part(scope) for part in parts]


def _expression(template: Jq, run: Runner) -> _Fill:
    fill = _strict(template.source, run)
    otherwise = template.otherwise
    if otherwise is None:
        return fill

    def loose(scope: Scope) -> Any:
        try:
            return fill(scope)
        except ExpressionError:
            return otherwise

    return loose


def _strict(source: str, run: Runner) -> _Fill:
    try:
        inspected = inspect(source)
    except Refused as refused:
        raise ExpressionError(str(refused)) from refused
    through_jq = _LazyJq(inspected, run)
    native = parse(inspected.tokens)
    if native is None:
        return through_jq.evaluate
    makes = any(token.text in _MAKERS or len(token.parts) > 1 for token in inspected.tokens)

    def fill(scope: Scope) -> Any:
        try:
            value = native(scope.input, scope)
        except (Defer, RecursionError):
            return through_jq.evaluate(scope)
        return bounded(value, run) if makes else value

    return fill


class _LazyJq:
    """libjq's form of an expression, compiled (1 ms) when it is first needed."""

    __slots__ = ("_inspected", "_program", "_run")

    def __init__(self, inspected: CheckedExpression, run: Runner) -> None:
        self._inspected = inspected
        self._run = run
        self._program: JqProgram | None = None

    def evaluate(self, scope: Scope) -> Any:
        if self._program is None:
            self._program = JqProgram(self._inspected.text, self._inspected.variables)
        return self._program.evaluate(scope, self._run)
