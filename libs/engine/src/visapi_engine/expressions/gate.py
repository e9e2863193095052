"""Checks which jq an expression may use: the part that is pure and bounded.

The check refuses everything that reads the process (environment, further inputs, files, its paths) or
writes to it.
"""

import msgspec

from visapi_engine.expressions.lexer import LexError, Token, render, tokenize, walk

_ENVIRONMENT = "expressions cannot read the environment"
_FURTHER_INPUT = "an expression has one input, `.`; the task's input is `$input`"
_PROCESS = "expressions cannot reach the process that evaluates them"
_MODULES = "modules cannot be imported"

REFUSED = {
    "env": _ENVIRONMENT,
    "input": _FURTHER_INPUT,
    "inputs": _FURTHER_INPUT,
    "input_filename": _FURTHER_INPUT,
    "input_line_number": _FURTHER_INPUT,
    "halt": _PROCESS,
    "halt_error": _PROCESS + "; to fail, use `error(...)` or a `raise` task",
    "debug": _PROCESS,
    "stderr": _PROCESS,
    "get_search_list": _PROCESS,
    "get_jq_origin": _PROCESS,
    "get_prog_origin": _PROCESS,
    "modulemeta": _MODULES,
    "import": _MODULES,
    "include": _MODULES,
    "module": _MODULES,
}
"""jq's names that are not available here, with the reason."""

REFUSED_VARIABLES = {
    "ENV": _ENVIRONMENT,
    "__loc__": _PROCESS,
    "__prog_args": _PROCESS,
}


class CheckedExpression(msgspec.Struct, frozen=True):
    """An expression that passed the gate: its tokens, its text for libjq, the `$names` it mentions."""

    tokens: tuple[Token, ...]
    text: str
    variables: frozenset[str]


class Refused(Exception):
    """The expression may not run; `reasons` are complete sentences for the author."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def inspect(source: str) -> CheckedExpression:
    """Judge one expression. Raises `Refused` with every reason found."""
    try:
        tokens = tokenize(source)
    except LexError as error:
        raise Refused([error.detail]) from error
    if not tokens:
        raise Refused(["the expression is empty"])
    reasons = list(dict.fromkeys(_reasons(tokens)))
    if reasons:
        raise Refused(reasons)
    names = frozenset(token.text[1:] for token in walk(tokens) if token.kind == "variable")
    return CheckedExpression(tokens, render(tokens), names)


def _reasons(tokens: tuple[Token, ...]) -> list[str]:
    found: list[str] = []
    brackets: list[str] = []
    for index, token in enumerate(tokens):
        if token.kind == "operator":
            if token.text in "([{":
                brackets.append(token.text)
            elif token.text in ")]}":
                brackets.pop()
        elif token.kind == "name":
            if not _is_key(tokens, index, brackets):
                found.extend(_name_reason(token.text))
        elif token.kind == "variable" and token.text[1:] in REFUSED_VARIABLES:
            found.append(f"`{token.text}` is refused: {REFUSED_VARIABLES[token.text[1:]]}")
        for part in token.parts:
            if not isinstance(part, str):
                found.extend(_reasons(part))
    return found


def _name_reason(name: str) -> list[str]:
    if "::" in name:
        return [f"`{name}` is refused: {_MODULES}"]
    return [f"`{name}` is refused: {REFUSED[name]}"] if name in REFUSED else []


def _is_key(tokens: tuple[Token, ...], index: int, brackets: list[str]) -> bool:
    """`{input: 1}` and `{input}` name a field, they do not call `input`."""
    if not brackets or brackets[-1] != "{" or tokens[index - 1].text not in ("{", ","):
        return False
    return tokens[index + 1].text in (":", ",", "}")
