"""Similar names for `Did you mean …?`, at a bounded cost. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches

LENGTH_MAX = 64
COMPARED_MAX = 200
"""The longest name that is compared: two names of 64 characters take up to a millisecond."""


def near_names(name: str, candidates: Iterable[str], count: int) -> list[str]:
    """At most `count` candidates, nearest first. A long name has none. Few candidates are compared: names of
    a different length are skipped first.
    """
    if not 0 < len(name) <= LENGTH_MAX:
        return []
    alike = sorted(
        (one for one in candidates if len(one) <= LENGTH_MAX and 2 * min(len(one), len(name)) >= len(name)),
        key=lambda one: abs(len(one) - len(name)),
    )
    return get_close_matches(name, alike[:COMPARED_MAX], n=count, cutoff=0.6)
