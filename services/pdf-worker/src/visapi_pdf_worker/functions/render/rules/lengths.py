"""Lengths and paper sizes in inches, as CSS writes them (CSS Values 4, section 6.2)."""

import re

from visapi_common.core.errors import ProblemError

_PER_INCH = {"in": 1.0, "cm": 2.54, "mm": 25.4, "pt": 72.0, "pc": 6.0, "px": 96.0}
_LENGTH = re.compile(r"(\d{1,5}(?:\.\d{1,4})?)(in|cm|mm|pt|pc|px)")
_SIZE = re.compile(r"(\S+)\s+(\S+)")
_SIDE_MAX_IN = 200.0

PAPERS: dict[str, tuple[float, float]] = {
    "a0": (33.11, 46.81),
    "a1": (23.39, 33.11),
    "a2": (16.54, 23.39),
    "a3": (11.69, 16.54),
    "a4": (8.2677, 11.6929),
    "a5": (5.8268, 8.2677),
    "a6": (4.1339, 5.8268),
    "letter": (8.5, 11.0),
    "legal": (8.5, 14.0),
    "tabloid": (11.0, 17.0),
    "ledger": (17.0, 11.0),
}


def inches(text: str, *, pointer: str) -> float:
    """A length such as `10mm` or `0.5in`; a bare `0` is zero. Raises `ProblemError`."""
    if text == "0":
        return 0.0
    match = _LENGTH.fullmatch(text)
    if match is None:
        detail = f"{pointer}: not a length: {text!r}; write e.g. '10mm' or '0.5in'"
        raise ProblemError("invalid_options", detail)
    return float(match[1]) / _PER_INCH[match[2]]


def paper_size(text: str) -> tuple[float, float]:
    """Width and height of a named paper, or of `<width> <height>`. Raises `ProblemError`."""
    named = PAPERS.get(text.lower())
    if named is not None:
        return named
    match = _SIZE.fullmatch(text)
    if match is None:
        known = ", ".join(name.upper() if len(name) == 2 else name for name in PAPERS)
        detail = f"options.paper: unknown paper {text!r}; use one of {known}, or '210mm 297mm'"
        raise ProblemError("invalid_options", detail)
    sides = inches(match[1], pointer="options.paper"), inches(match[2], pointer="options.paper")
    if not all(0.1 <= side <= _SIDE_MAX_IN for side in sides):
        detail = f"options.paper: {text!r} is outside 0.1in to {_SIDE_MAX_IN:g}in"
        raise ProblemError("invalid_options", detail)
    return sides
