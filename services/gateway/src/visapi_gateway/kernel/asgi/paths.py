"""The paths and methods of the API, checked before anything else. Pure.

A path must match as written: no trailing slash, no empty segment, no encoded slash. Any other path is
answered 404 at once.
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
    """The templates of all operations, each with its methods."""

    def __init__(self, operations: Iterable[tuple[str, str]]) -> None:
        methods: dict[str, set[str]] = {}
        for method, path in operations:
            methods.setdefault(path, {"OPTIONS"}).update({"GET", "HEAD"} if method == "GET" else {method})
        self._literal = {path: tuple(sorted(found)) for path, found in methods.items() if "{" not in path}
        """Paths without a parameter; they share no method with a template that would also match."""
        self._found = [(re.compile(_pattern(path)), found) for path, found in methods.items()]
        self._of_method = {
            method: re.compile("|".join(_pattern(path) for path, found in methods.items() if method in found))
            for method in set[str]().union(*methods.values()) - {"OPTIONS"}
        }

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods of a path; empty for an unknown path."""
        if (literal := self._literal.get(path)) is not None:
            return literal
        found = (methods for pattern, methods in self._found if pattern.fullmatch(path))
        return tuple(sorted(set[str]().union(*found)))

    def check(self, method: str, path: str, raw_path: bytes) -> tuple[str, ...] | None:
        """Raises `ProblemError` 404 and 405. For OPTIONS: the methods of the path."""
        slashed = b"%" in raw_path and b"%2f" in raw_path.lower()
        known = self._of_method.get(method)
        literal = self._literal.get(path)
        if literal is None and known is not None and not slashed and known.fullmatch(path):
            return None
        allowed = () if slashed else self.methods(path)
        if not allowed:
            detail = "no operation has this path; GET /openapi.json lists all of them"
            raise ProblemError("not_found", detail, status=404)
        if method not in allowed:
            listed = ", ".join(allowed)
            raise ProblemError(
                "method_not_allowed", f"this path allows {listed}", status=405, headers={"Allow": listed}
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
