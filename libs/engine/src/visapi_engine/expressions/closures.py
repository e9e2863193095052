"""The closures that the native parser composes: each takes (`.`, scope) and gives one value."""

from collections.abc import Callable
from typing import Any, cast

from visapi_engine.expressions.libjq import now_value
from visapi_engine.expressions.scope import Scope
from visapi_engine.expressions.values import Defer, equal, index, less, truthy

Compute = Callable[[Any, Scope], Any]


def dot(value: Any, _: Scope) -> Any:
    """The expression `.`."""
    return value


def negated(value: Any, _: Scope) -> Any:
    """The function `not`."""
    return not truthy(value)


def now(_: Any, scope: Scope) -> Any:
    """The function `now`: the event's time, never the clock's."""
    return now_value(scope.now_ms)


def deferred(_: Any, __: Scope) -> Any:
    """The function `error`: jq fails in its own words."""
    raise Defer


def constant(value: Any) -> Compute:
    return lambda _, __: value


def variable(name: str) -> Compute:
    return lambda _, scope: scope.variables.get(name)


def of_dot(function: Callable[[Any], Any]) -> Compute:
    return lambda value, _: function(value)


def unary(function: Callable[[Any], Any], operand: Compute) -> Compute:
    return lambda value, scope: function(operand(value, scope))


def binary(function: Callable[[Any, Any], Any], left: Compute, right: Compute) -> Compute:
    return lambda value, scope: function(left(value, scope), right(value, scope))


def fields(base: Compute, names: tuple[str, ...]) -> Compute:
    """A chain of fields such as `.a.b.c` of the base, in one closure."""

    def of_base(value: Any, scope: Scope) -> Any:
        value = base(value, scope)
        for name in names:
            if type(value) is dict:
                value = cast("dict[str, Any]", value).get(name)
            elif value is not None:
                raise Defer
        return value

    return of_base


def indexed(base: Compute, key: Compute) -> Compute:
    return lambda value, scope: index(base(value, scope), key(value, scope))


def piped(stages: list[Compute]) -> Compute:
    if len(stages) == 1:
        return stages[0]

    def run(value: Any, scope: Scope) -> Any:
        for stage in stages:
            value = stage(value, scope)
        return value

    return run


def first_true(options: list[Compute]) -> Compute:
    """`a // b`: the first that is neither null nor false, else the last."""
    if len(options) == 1:
        return options[0]
    *earlier, last = options

    def run(value: Any, scope: Scope) -> Any:
        for option in earlier:
            result = option(value, scope)
            if truthy(result):
                return result
        return last(value, scope)

    return run


def any_true(terms: list[Compute]) -> Compute:
    if len(terms) == 1:
        return terms[0]
    return lambda value, scope: any(truthy(term(value, scope)) for term in terms)


def all_true(terms: list[Compute]) -> Compute:
    if len(terms) == 1:
        return terms[0]
    return lambda value, scope: all(truthy(term(value, scope)) for term in terms)


def equals(left: Compute, right: Compute) -> Compute:
    return lambda value, scope: equal(left(value, scope), right(value, scope))


def differs(left: Compute, right: Compute) -> Compute:
    return lambda value, scope: not equal(left(value, scope), right(value, scope))


def below(left: Compute, right: Compute) -> Compute:
    return lambda value, scope: less(left(value, scope), right(value, scope))


def at_most(left: Compute, right: Compute) -> Compute:
    return lambda value, scope: not less(right(value, scope), left(value, scope))


def above(left: Compute, right: Compute) -> Compute:
    return lambda value, scope: less(right(value, scope), left(value, scope))


def at_least(left: Compute, right: Compute) -> Compute:
    return lambda value, scope: not less(left(value, scope), right(value, scope))


def choice(cases: list[tuple[Compute, Compute]], otherwise: Compute) -> Compute:
    def run(value: Any, scope: Scope) -> Any:
        for test, then in cases:
            if truthy(test(value, scope)):
                return then(value, scope)
        return otherwise(value, scope)

    return run


def array(items: list[Compute]) -> Compute:
    return lambda value, scope: [item(value, scope) for item in items]


def record(entries: list[tuple[Compute, Compute]]) -> Compute:
    def run(value: Any, scope: Scope) -> Any:
        made: dict[str, Any] = {}
        for key, entry in entries:
            name = key(value, scope)
            if type(name) is not str:
                raise Defer
            made[name] = entry(value, scope)
        return made

    return run


def concatenated(pieces: list[str | Compute]) -> Compute:
    def run(value: Any, scope: Scope) -> Any:
        return "".join(piece if isinstance(piece, str) else piece(value, scope) for piece in pieces)

    return run
