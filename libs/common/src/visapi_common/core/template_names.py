"""What a name of a template means, and which of its locales fits."""

import re
from collections.abc import Collection

REFERENCE = r"[a-z0-9]+(-[a-z0-9]+)*(@[1-9][0-9]{0,8})?"
"""A name, and perhaps a version."""
_REFERENCE = re.compile(REFERENCE)


def read_reference(text: str) -> tuple[str, int | None] | None:
    """The name and version of `welcome` or `welcome@3`; None where the text is neither."""
    if not _REFERENCE.fullmatch(text):
        return None
    name, _, version = text.partition("@")
    return name, int(version) if version else None


def fitting_locale(locales: Collection[str], default: str, wanted: str | None) -> str:
    """The locale of a template for a wanted one: `de-AT`, else `de`, else the default."""
    by_lower = {locale.lower(): locale for locale in locales}
    parts = (wanted or default).lower().split("-")
    while parts:
        found = by_lower.get("-".join(parts))
        if found is not None:
            return found
        parts.pop()
    return default
