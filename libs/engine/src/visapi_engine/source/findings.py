"""All mistakes of a definition, collected, so that an author can correct them in one round."""

from collections.abc import Iterable

from visapi_common.contracts.problems import FieldError
from visapi_common.core.errors import ProblemError
from visapi_common.core.spelling import near_names

REPORTED_MAX = 100
"""Mistakes listed in one answer; further mistakes are counted."""


class DefinitionInvalid(ProblemError):
    """The definition cannot be deployed; `errors` lists every mistake found.

    The status is 422, or 400 for bytes that are no document. `total` includes the mistakes that `errors`
    does not list.
    """

    errors: list[FieldError]

    def __init__(self, errors: list[FieldError], *, status: int = 422, total: int | None = None) -> None:
        self.total = len(errors) if total is None else total
        more = self.total - REPORTED_MAX
        shown = errors[:REPORTED_MAX]
        if more > 0:
            shown = [*shown, FieldError("", f"{more} more mistakes are not listed")]
        count = "one mistake" if self.total == 1 else f"{self.total} mistakes"
        first = f"{_place(errors[0])}: {errors[0].detail}"
        super().__init__(
            "definition_invalid", f"The definition has {count}. {first}", status=status, errors=shown
        )
        self.errors = shown


def _place(error: FieldError) -> str:
    where = error.pointer or "the document"
    return where if error.line is None else f"{where} (line {error.line}, column {error.column})"


class Findings:
    """Mistakes and warnings, each reported once per place."""

    def __init__(self) -> None:
        self._errors: dict[tuple[str, str], FieldError] = {}
        self._warnings: dict[tuple[str, str], FieldError] = {}

    @property
    def errors(self) -> list[FieldError]:
        return list(self._errors.values())

    @property
    def warnings(self) -> list[FieldError]:
        return list(self._warnings.values())

    def error(self, at: str, detail: str) -> None:
        self._errors.setdefault((at, detail), FieldError(at, detail))

    def warn(self, at: str, detail: str) -> None:
        self._warnings.setdefault((at, detail), FieldError(at, detail))

    def refuse(self, at: str, what: str) -> None:
        """Report a part of the specification that this release does not support."""
        self.error(at, f"not in this release: {what}")


def nearest(name: str, allowed: Iterable[str]) -> str:
    """` Did you mean "x"?` if an allowed name is spelled alike, else an empty text."""
    by_folded = {candidate.casefold(): candidate for candidate in allowed}
    close = near_names(name.casefold(), by_folded, 1)
    return f' Did you mean "{by_folded[close[0]]}"?' if close else ""


def listed(names: Iterable[str]) -> str:
    """Names joined for a sentence, in their order."""
    return ", ".join(f'"{name}"' for name in names) or "none"
