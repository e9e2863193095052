"""jq source as tokens: the gate judges them, the native parser reads them, libjq gets them as text.

The source itself never reaches libjq: `render` writes it anew from the tokens, without comments, so that
nothing that the lexer did not understand gets there.
"""

import re
from collections.abc import Iterator

import msgspec

LENGTH_MAX = 4096
"""Characters of one expression."""
TOKENS_MAX = 500
"""Tokens of one expression, because libjq's compiler takes quadratic time: about 30 ms for these."""
NESTING_MAX = 48
"""Open brackets and interpolations; keeps every later recursion shallow."""

KEYWORDS = frozenset(
    [
        "def",
        "module",
        "import",
        "include",
        "if",
        "then",
        "else",
        "elif",
        "end",
        "as",
        "reduce",
        "foreach",
        "try",
        "catch",
        "label",
        "and",
        "or",
        "__loc__",
    ]
)

_SPACE = re.compile(r"[ \t\r\n]+")
_COMMENT = re.compile(r"#(?:\\\r?\n|\\\\|[^\r\n\\]|\\)*")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_FIELD = re.compile(r"\.[a-zA-Z_][a-zA-Z_0-9]*")
_VARIABLE = re.compile(r"\$[a-zA-Z_][a-zA-Z_0-9]*")
_FORMAT = re.compile(r"@[a-zA-Z0-9_]+")
_NAME = re.compile(r"(?:[a-zA-Z_][a-zA-Z_0-9]*::)*[a-zA-Z_][a-zA-Z_0-9]*")
_OPERATOR = re.compile(r"\?//=?|//=|\.\.|[!=<>|+\-*/%]=|//|[.\[\](){}|,:;=<>+\-*/%?]")
_TEXT = re.compile(r'[^"\\]+')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')

_RULES = (
    ("number", _NUMBER),
    ("field", _FIELD),
    ("variable", _VARIABLE),
    ("format", _FORMAT),
    ("name", _NAME),
    ("operator", _OPERATOR),
)
_CLOSES = {"(": ")", "[": "]", "{": "}"}


class LexError(Exception):
    """The source is not jq; `detail` says what is wrong and at which character."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Token(msgspec.Struct, frozen=True):
    """One token. A string has `parts`: raw text, and the tokens of each interpolation."""

    kind: str
    text: str
    spaced: bool
    parts: tuple["str | tuple[Token, ...]", ...] = ()


def tokenize(source: str) -> tuple[Token, ...]:
    """All tokens of an expression. Raises `LexError`; brackets are known to be balanced afterwards."""
    if len(source) > LENGTH_MAX:
        raise LexError(
            f"the expression has {len(source)} characters, allowed are {LENGTH_MAX}; split it over tasks"
        )
    if "\0" in source:
        raise LexError("the expression contains a NUL character")
    tokens, _ = _Lexer(source).tokens(0, closing=None, depth=0)
    count = sum(1 for _ in walk(tokens))
    if count > TOKENS_MAX:
        raise LexError(f"the expression has {count} tokens, allowed are {TOKENS_MAX}; split it over tasks")
    return tokens


def walk(tokens: tuple[Token, ...]) -> Iterator[Token]:
    """Every token, those inside interpolations included."""
    for token in tokens:
        yield token
        for part in token.parts:
            if not isinstance(part, str):
                yield from walk(part)


def render(tokens: tuple[Token, ...]) -> str:
    """The source again, for libjq.

    libjq folds constants while it compiles, so `"x" * 1e9` would take a gigabyte at deployment;
    where a product and a string meet, an empty interpolation keeps strings from being constant.
    """
    everything = list(walk(tokens))
    folds = any(t.kind == "operator" and t.text == "*" for t in everything)
    return _render(tokens, unfold=folds and any(t.kind == "string" for t in everything))


def _render(tokens: tuple[Token, ...], *, unfold: bool) -> str:
    out: list[str] = []
    for token in tokens:
        if token.spaced:
            out.append(" ")
        if token.kind != "string":
            out.append(token.text)
            continue
        out.append('"')
        out.extend(
            part if isinstance(part, str) else f"\\({_render(part, unfold=unfold)})" for part in token.parts
        )
        out.append('\\("")"' if unfold else '"')
    return "".join(out)


class _Lexer:
    def __init__(self, source: str) -> None:
        self._source = source

    def tokens(self, at: int, *, closing: str | None, depth: int) -> tuple[tuple[Token, ...], int]:
        """Tokens up to the bracket that closes an interpolation (`closing`), or to the end."""
        source = self._source
        found: list[Token] = []
        open_brackets: list[str] = []
        while True:
            start = at
            at = self._skip(at)
            spaced = at > start
            if at >= len(source):
                break
            if source[at] == '"':
                token, at = self._string(at, spaced, depth + len(open_brackets))
                found.append(token)
                continue
            if source[at] == ")" and not open_brackets and closing is not None:
                return tuple(found), at + 1
            kind, text = self._next(at)
            if kind == "operator":
                _bracket(open_brackets, text, at)
            if depth + len(open_brackets) > NESTING_MAX:
                raise LexError(f"brackets are nested deeper than {NESTING_MAX}")
            found.append(Token(kind, text, spaced))
            at += len(text)
        if open_brackets or closing is not None:
            raise LexError(f"a closing `{open_brackets[-1] if open_brackets else closing}` is missing")
        return tuple(found), at

    def _skip(self, at: int) -> int:
        while match := _SPACE.match(self._source, at) or _COMMENT.match(self._source, at):
            at = match.end()
        return at

    def _next(self, at: int) -> tuple[str, str]:
        for kind, rule in _RULES:
            if match := rule.match(self._source, at):
                return kind, match.group()
        raise LexError(f"unexpected {self._source[at]!r} at character {at + 1}")

    def _string(self, at: int, spaced: bool, depth: int) -> tuple[Token, int]:
        source = self._source
        start = at
        at += 1
        raw: list[str] = []
        parts: list[str | tuple[Token, ...]] = []
        while True:
            if match := _TEXT.match(source, at) or _ESCAPE.match(source, at):
                raw.append(match.group())
                at = match.end()
            elif source.startswith('"', at):
                parts.append("".join(raw))
                return Token("string", source[start : at + 1], spaced, tuple(parts)), at + 1
            elif source.startswith("\\(", at):
                if depth >= NESTING_MAX:
                    raise LexError(f"interpolations are nested deeper than {NESTING_MAX}")
                parts.append("".join(raw))
                raw = []
                inner, at = self.tokens(at + 2, closing=")", depth=depth + 1)
                parts.append(inner)
            elif at >= len(source):
                raise LexError(f"the string that begins at character {start + 1} is not closed")
            else:
                raise LexError(f"unknown escape {source[at : at + 2]!r} at character {at + 1}")


def _bracket(open_brackets: list[str], text: str, at: int) -> None:
    if text in _CLOSES:
        open_brackets.append(_CLOSES[text])
    elif text in (")", "]", "}") and (not open_brackets or open_brackets.pop() != text):
        raise LexError(f"`{text}` at character {at + 1} closes nothing")
