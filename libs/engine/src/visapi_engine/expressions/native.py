"""A parser for the simple part of jq, straight to Python closures.

The parser reads paths, literals, operators, `//`, `if`, pipes, string interpolation, object and array
construction and a few functions: everything that yields exactly one value. For any other expression it
returns `None`, and libjq evaluates the expression. Precedence follows jq's grammar (parser.y).
"""

import json
from collections.abc import Callable
from typing import Any

from visapi_engine.expressions import closures as c
from visapi_engine.expressions import values
from visapi_engine.expressions.closures import Compute
from visapi_engine.expressions.lexer import KEYWORDS, Token

DEPTH_MAX = 40
"""How deep closures may nest; a longer chain of operators goes to libjq."""

_COMPARISONS: dict[str, Callable[[Compute, Compute], Compute]] = {
    "==": c.equals,
    "!=": c.differs,
    "<": c.below,
    "<=": c.at_most,
    ">": c.above,
    ">=": c.at_least,
}
_SUMS = {"+": values.add, "-": values.subtract}
_PRODUCTS = {"*": values.multiply, "/": values.divide, "%": values.modulo}
_FUNCTIONS: dict[str, Compute] = {
    "not": c.negated,
    "length": c.of_dot(values.length),
    "type": c.of_dot(values.kind_name),
    "tostring": c.of_dot(values.text),
    "now": c.now,
}
_CONSTANTS = {"null": None, "true": True, "false": False}
_FORMATS = {"@uri": values.uri_text, "@text": values.text}
_END = Token("end", "", False)


class _Unsupported(Exception):
    """The expression is left to libjq."""


def parse(tokens: tuple[Token, ...]) -> Compute | None:
    """The expression as one closure, or None when it is not simple."""
    try:
        parser = _Parser(tokens, 0)
        compute = parser.pipe()
        parser.expect_end()
    except _Unsupported:
        return None
    return compute


class _Parser:
    def __init__(self, tokens: tuple[Token, ...], depth: int) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = depth

    def expect_end(self) -> None:
        if self._peek() is not _END:
            raise _Unsupported

    def pipe(self) -> Compute:
        self._deeper()
        stages = [self._alternative()]
        while self._take("|"):
            stages.append(self._alternative())
        self._depth -= 1
        return c.piped(stages)

    def _deeper(self, by: int = 1) -> None:
        self._depth += by
        if self._depth > DEPTH_MAX:
            raise _Unsupported

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _take(self, *texts: str) -> str | None:
        token = self._peek()
        if token.kind in ("operator", "name") and token.text in texts:
            self._at += 1
            return token.text
        return None

    def _expect(self, text: str) -> None:
        if self._take(text) is None:
            raise _Unsupported

    def _alternative(self) -> Compute:
        options = [self._disjunction()]
        while self._take("//"):
            options.append(self._disjunction())
        return c.first_true(options)

    def _disjunction(self) -> Compute:
        terms = [self._conjunction()]
        while self._take("or"):
            terms.append(self._conjunction())
        return c.any_true(terms)

    def _conjunction(self) -> Compute:
        terms = [self._comparison()]
        while self._take("and"):
            terms.append(self._comparison())
        return c.all_true(terms)

    def _comparison(self) -> Compute:
        left = self._chain(_SUMS, lambda: self._chain(_PRODUCTS, self._unary))
        operator = self._take(*_COMPARISONS)
        if operator is None:
            return left
        return _COMPARISONS[operator](left, self._chain(_SUMS, lambda: self._chain(_PRODUCTS, self._unary)))

    def _chain(
        self, operators: dict[str, Callable[[Any, Any], Any]], operand: Callable[[], Compute]
    ) -> Compute:
        left, length = operand(), 0
        while operator := self._take(*operators):
            length += 1
            self._deeper()
            left = c.binary(operators[operator], left, operand())
        self._depth -= length
        return left

    def _unary(self) -> Compute:
        if self._take("-"):
            self._deeper()
            negated = c.unary(values.negate, self._unary())
            self._depth -= 1
            return negated
        return self._postfix(self._term())

    def _term(self) -> Compute:
        token = self._peek()
        self._at += 1
        if token.kind == "number":
            return c.constant(_number(token.text))
        if token.kind == "string":
            return self._string(token, values.text)
        if token.kind == "format" and token.text in _FORMATS and self._peek().kind == "string":
            self._at += 1
            return self._string(self._tokens[self._at - 1], _FORMATS[token.text])
        if token.kind == "field":
            return c.fields(c.dot, (token.text[1:], *self._fields()))
        if token.kind == "variable":
            return c.variable(token.text[1:])
        if token.kind == "name":
            return self._named(token.text)
        return self._bracketed(token)

    def _bracketed(self, token: Token) -> Compute:
        if token.text == ".":
            following = self._peek()
            if following.kind == "string":
                self._at += 1
                return c.fields(c.dot, (_plain(following),))
            return c.dot
        if token.text == "(":
            inner = self.pipe()
            self._expect(")")
            return inner
        if token.text == "[":
            return self._array()
        if token.text == "{":
            return self._object()
        raise _Unsupported

    def _postfix(self, base: Compute) -> Compute:
        while True:
            token = self._peek()
            if token.kind == "field":
                base = c.fields(base, self._fields())
            elif token.text == "[" and token.kind == "operator":
                self._at += 1
                base = self._index(base)
            elif token.text == "." and token.kind == "operator":
                self._at += 1
                base = self._dotted(base)
            elif not self._take("?"):
                return base

    def _fields(self) -> tuple[str, ...]:
        """As many fields as follow."""
        names: list[str] = []
        while self._peek().kind == "field":
            names.append(self._peek().text[1:])
            self._at += 1
        return tuple(names)

    def _dotted(self, base: Compute) -> Compute:
        token = self._peek()
        self._at += 1
        if token.kind == "string":
            return c.fields(base, (_plain(token),))
        if token.text == "[":
            return self._index(base)
        raise _Unsupported

    def _index(self, base: Compute) -> Compute:
        key = self.pipe()
        self._expect("]")
        self._deeper(0)
        return c.indexed(base, key)

    def _named(self, name: str) -> Compute:
        if name in _CONSTANTS:
            return c.constant(_CONSTANTS[name])
        if name == "if":
            return self._condition()
        if name == "error" and self._take("("):
            self.pipe()
            self._expect(")")
            return c.deferred
        if name in _FUNCTIONS and self._peek().text != "(":
            return _FUNCTIONS[name]
        raise _Unsupported

    def _condition(self) -> Compute:
        cases: list[tuple[Compute, Compute]] = []
        while True:
            test = self.pipe()
            self._expect("then")
            cases.append((test, self.pipe()))
            word = self._take("elif", "else", "end")
            if word == "elif":
                continue
            if word is None:
                raise _Unsupported
            otherwise = c.dot
            if word == "else":
                otherwise = self.pipe()
                self._expect("end")
            return c.choice(cases, otherwise)

    def _array(self) -> Compute:
        if self._take("]"):
            return c.array([])
        self._deeper()
        items = [self._alternative()]
        if self._take("|"):
            items = [c.piped([items[0], self.pipe()])]
        else:
            while self._take(","):
                items.append(self._alternative())
        self._expect("]")
        self._depth -= 1
        return c.array(items)

    def _object(self) -> Compute:
        self._deeper()
        entries: list[tuple[Compute, Compute]] = []
        while not self._take("}"):
            if entries:
                self._expect(",")
            entries.append(self._entry())
        self._depth -= 1
        return c.record(entries)

    def _entry(self) -> tuple[Compute, Compute]:
        token = self._peek()
        self._at += 1
        if token.kind == "variable":
            if self._peek().text == ":":
                raise _Unsupported
            return c.constant(token.text[1:]), c.variable(token.text[1:])
        if token.kind == "name" and "::" not in token.text:
            return self._keyed(c.constant(token.text), None if token.text in KEYWORDS else token.text)
        if token.kind == "string":
            plain = len(token.parts) == 1
            return self._keyed(self._string(token, values.text), _plain(token) if plain else None)
        if token.text == "(":
            key = self.pipe()
            self._expect(")")
            return self._keyed(key, None)
        raise _Unsupported

    def _keyed(self, key: Compute, shorthand: str | None) -> tuple[Compute, Compute]:
        if self._take(":"):
            return key, self.pipe()
        if shorthand is None:
            raise _Unsupported
        return key, c.fields(c.dot, (shorthand,))

    def _string(self, token: Token, insert: Callable[[Any], str]) -> Compute:
        if len(token.parts) == 1:
            return c.constant(_plain(token))
        pieces: list[str | Compute] = []
        for part in token.parts:
            if isinstance(part, str):
                pieces.append(_unescape(part))
                continue
            inner = _Parser(part, self._depth + 1)
            pieces.append(c.unary(insert, inner.pipe()))
            inner.expect_end()
        return c.concatenated(pieces)


def _plain(token: Token) -> str:
    (raw,) = token.parts if len(token.parts) == 1 else (None,)
    if not isinstance(raw, str):
        raise _Unsupported
    return _unescape(raw)


def _unescape(raw: str) -> str:
    if "\\u" in raw:
        raise _Unsupported
    return json.loads(f'"{raw}"', strict=False)


def _number(source: str) -> int | float:
    if len(source) >= 16:
        raise _Unsupported
    if source.isdecimal():
        return int(source)
    value = float(source)
    if value == float("inf") or (value == 0 and "e" in source.lower()):
        raise _Unsupported
    return value
