"""`$secrets` in expressions: the secrets and members that are used, and the operations allowed on them.

At run time an expression sees opaque handles. So the names must be literal, and a handle may be passed on,
concatenated or interpolated; any other operation would act on the handle and not on the secret.
"""

from typing import Any

from visapi_engine.checks.shapes import as_list, as_text
from visapi_engine.compile.build import Build
from visapi_engine.expressions.lexer import Token
from visapi_engine.source.findings import listed, nearest
from visapi_engine.source.pointers import join

_BEFORE = frozenset({"+", "(", "[", "{", ",", ":", "|", "//"})
_AFTER = frozenset({"+", ")", "]", "}", ",", "//"})
SECRETS_MAX = 100


def read_secrets(build: Build, value: Any) -> list[str]:
    """`use.secrets`: the names that expressions may use."""
    names: list[str] = []
    for index, item in enumerate(as_list(build.findings, value, "/use/secrets", "`secrets`") or []):
        at = join("/use/secrets", index)
        name = as_text(build.findings, item, at, "a secret's name")
        if name in names:
            build.findings.error(at, f'the secret "{name}" is listed twice')
        elif name is not None:
            names.append(name)
    if len(names) > SECRETS_MAX:
        build.findings.error("/use/secrets", f"more than {SECRETS_MAX} secrets")
    return names


def note_secrets(build: Build, tokens: tuple[Token, ...], at: str) -> None:
    """Collect the secrets that an expression uses; report uses that are not allowed."""
    for index, token in enumerate(tokens):
        if token.kind == "variable" and token.text == "$secrets":
            path, end = _path(tokens, index + 1)
            _note(build, path, at)
            before = tokens[index - 1] if index else None
            after = tokens[end] if end < len(tokens) else None
            if not _passes(before, _BEFORE) or not _passes(after, _AFTER):
                build.findings.error(
                    at, "a secret can be passed on, concatenated or inserted into text, nothing else"
                )
        for part in token.parts:
            if not isinstance(part, str):
                note_secrets(build, part, at)


def _passes(token: Token | None, allowed: frozenset[str]) -> bool:
    return token is None or (token.kind == "operator" and token.text in allowed)


def _path(tokens: tuple[Token, ...], index: int) -> tuple[list[str], int]:
    """The names after `$secrets`, as `.name`, `."name"` or `["name"]`, and where they end."""
    path: list[str] = []
    while index < len(tokens):
        token = tokens[index]
        if token.kind == "field":
            path.append(token.text[1:])
            index += 1
        elif token.text == "." and _literal(tokens, index + 1) is not None:
            path.append(_literal(tokens, index + 1) or "")
            index += 2
        elif token.text == "[" and _literal(tokens, index + 1) is not None and tokens[index + 2].text == "]":
            path.append(_literal(tokens, index + 1) or "")
            index += 3
        else:
            break
    return path, index


def _literal(tokens: tuple[Token, ...], index: int) -> str | None:
    if index >= len(tokens) or tokens[index].kind != "string":
        return None
    parts = tokens[index].parts
    return "".join(part for part in parts if isinstance(part, str)) if _plain(parts) else None


def _plain(parts: tuple[Any, ...]) -> bool:
    return all(isinstance(part, str) and "\\" not in part for part in parts)


def _note(build: Build, path: list[str], at: str) -> None:
    if not path:
        build.findings.error(at, "name the secret: `$secrets.name`; which one must not depend on data")
        return
    known = build.use.secrets
    if path[0] not in known:
        hint = nearest(path[0], known)
        build.findings.error(
            at, f'no secret called "{path[0]}" in use.secrets.{hint} Declared: {listed(known)}'
        )
        return
    used = tuple(path)
    for other in build.secrets:
        if other != used and (other[: len(used)] == used or used[: len(other)] == other):
            build.findings.error(
                at, f'the secret "{path[0]}" is used whole and by its members; use it in one way only'
            )
            return
    build.secrets.add(used)


def secret_source(name: str) -> str:
    """The expression that stands for a whole secret."""
    return f'$secrets["{name}"]' if '"' not in name and "\\" not in name else "$secrets"
