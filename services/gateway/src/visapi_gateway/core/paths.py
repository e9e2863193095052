"""Which paths and methods there are, decided before anything else looks at a request. Pure.

A path is taken as it is written: no slash at its end, no empty segment, no encoded slash. Whatever is no
path of the API is not found before anything happens.
"""

import re
from collections.abc import Iterable

from visapi_common.core.errors import ProblemError

_PARAMETER = re.compile(r"\{[a-z_]+:(str|uuid)\}")
_SEGMENTS = {
    "str": r"(?!\.{1,2}(?:/|$))[^/]+",
    "uuid": r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
}


class Paths:
    """The templates of all operations, each with its methods; the most literal one counts."""

    def __init__(self, operations: Iterable[tuple[str, str]]) -> None:
        methods: dict[str, set[str]] = {}
        for method, path in operations:
            methods.setdefault(path, {"OPTIONS"}).update({"GET", "HEAD"} if method == "GET" else {method})
        self.templates = {path: tuple(sorted(found)) for path, found in methods.items()}
        self._found = [(re.compile(_pattern(path)), path, found) for path, found in self.templates.items()]
        self._literal = {path: found for path, found in self.templates.items() if "{" not in path}

    def methods(self, path: str) -> tuple[str, ...]:
        """What may be done at a path; empty where there is none."""
        found = set(self._literal.get(path, ()))
        for pattern, _, methods in self._found:
            if pattern.fullmatch(path):
                found.update(methods)
        return tuple(sorted(found))

    def check(self, method: str, path: str, raw_path: bytes) -> tuple[str, ...] | None:
        """Raises `ProblemError` 404 and 405. For OPTIONS: the methods of the path."""
        known = None if b"%" in raw_path else self._literal.get(path)
        if known is not None and method in known and method != "OPTIONS":
            return None
        allowed = () if b"%2f" in raw_path.lower() else self.methods(path)
        if not allowed:
            detail = "no operation has this path; GET /openapi.json lists all of them"
            raise ProblemError("not_found", detail, status=404)
        if method not in allowed:
            told = ", ".join(allowed)
            raise ProblemError(
                "method_not_allowed", f"this path allows {told}", status=405, headers={"Allow": told}
            )
        return allowed if method == "OPTIONS" else None


def _pattern(path: str) -> str:
    """The regular expression of a template."""
    parts: list[str] = []
    at = 0
    for parameter in _PARAMETER.finditer(path):
        parts += [re.escape(path[at : parameter.start()]), _SEGMENTS[parameter[1]]]
        at = parameter.end()
    return "".join([*parts, re.escape(path[at:])])
