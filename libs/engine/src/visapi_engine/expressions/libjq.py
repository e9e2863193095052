"""The adapter of the `jq` package: one compiled program per expression, all variables in one call.

The scope travels as one JSON array that the program takes apart, so a program is compiled once
and serves every evaluation. The result travels as `tojson` text, which keeps the digits of
numbers that were only passed on (the package itself rounds them to doubles).
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Protocol, cast

import jq
import msgspec

from visapi_engine.expressions.bounds import TOO_DEEP, decoded
from visapi_engine.expressions.scope import DIRECT, ExpressionError, Runner, Scope

CHUNK_MAX = 1_000
"""Characters compiled together; libjq's compiler takes quadratic time, so no more."""

DETAIL_MAX = 2_000
"""Characters of jq's own message that are kept: it may quote a value."""

_NOTHING = object()


class _Program(Protocol):
    def input_text(self, text: str) -> Iterable[Any]: ...


def _wrap(text: str, names: Iterable[str]) -> str:
    bound = ",".join(["$__dot", "$__now", *(f"${name}" for name in names)])
    return f". as [{bound}] | def now: $__now; $__dot | ({text}) | tojson"


def _compile(text: str) -> _Program:
    return cast(_Program, jq.compile(text))  # pyright: ignore[reportUnknownMemberType]


def now_value(now_ms: int) -> int | float:
    """What `now` gives: seconds since 1970, as jq does."""
    seconds, rest = divmod(now_ms, 1000)
    return now_ms / 1000 if rest else seconds


class JqProgram:
    """One expression compiled by libjq."""

    __slots__ = ("_names", "_program")

    def __init__(self, text: str, variables: Iterable[str]) -> None:
        """`text` has passed the gate. Raises `ExpressionError` when libjq refuses it."""
        self._names = tuple(sorted(variables))
        try:
            self._program = _compile(_wrap(text, self._names))
        except ValueError as error:
            raise ExpressionError(compile_message(error)) from error

    def evaluate(self, scope: Scope, run: Runner = DIRECT) -> Any:
        """The expression's single value; no value at all (`empty`) is null."""
        variables = scope.variables
        values = [scope.input, now_value(scope.now_ms), *(variables.get(name) for name in self._names)]
        try:
            text = msgspec.json.encode(values).decode()
            found = run(len(text), partial(self._run, text))
            return None if found is None else decoded(found, run)
        except ValueError as error:
            raise ExpressionError(str(error)) from error
        except RecursionError as error:
            raise ExpressionError(TOO_DEEP) from error

    def _run(self, text: str) -> str | None:
        try:
            results = iter(self._program.input_text(text))
            first = next(results, _NOTHING)
            if first is _NOTHING:
                return None
            if next(results, _NOTHING) is not _NOTHING:
                raise ExpressionError("the expression yields more than one value; collect them with [ ... ]")
            return cast(str, first)
        except ValueError as error:
            raise ExpressionError(str(error)[:DETAIL_MAX]) from error


def compile_errors(expressions: list[tuple[str, frozenset[str]]]) -> list[str | None]:
    """For each (gated text, names it may use): what libjq says against it, or None."""
    errors: list[str | None] = []
    for chunk in _chunks(expressions):
        try:
            _compile(",".join(f"({_wrap(text, sorted(names))})" for text, names in chunk))
        except ValueError:
            errors += [_compile_error(text, names) for text, names in chunk]
        else:
            errors += [None] * len(chunk)
    return errors


def _chunks(expressions: list[tuple[str, frozenset[str]]]) -> Iterator[list[tuple[str, frozenset[str]]]]:
    """Short expressions share a compilation, since each loads jq's own library, which takes 1 ms."""
    chunk: list[tuple[str, frozenset[str]]] = []
    size = 0
    for text, names in expressions:
        if chunk and size + len(text) > CHUNK_MAX:
            yield chunk
            chunk, size = [], 0
        chunk.append((text, names))
        size += len(text)
    if chunk:
        yield chunk


def _compile_error(text: str, names: frozenset[str]) -> str | None:
    try:
        _compile(_wrap(text, sorted(names)))
    except ValueError as error:
        return compile_message(error)
    return None


def compile_message(error: ValueError) -> str:
    """Libjq's report without its positions, which count from our wrapper."""
    lines = [line for line in str(error).splitlines() if line.startswith("jq: error:")]
    messages = [line.removeprefix("jq: error:").split(" at <top-level>")[0].strip() for line in lines]
    return "; ".join(dict.fromkeys(messages)) or str(error)
