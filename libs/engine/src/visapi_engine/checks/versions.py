"""Semantic versions (semver.org 2.0.0) as text that sorts."""

import re

VERSION_MAX = 100
"""Characters of a version; keeps the two-digit lengths in `version_order` sufficient."""

_SEMVER = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
)


def is_version(version: str) -> bool:
    """Whether this is a semantic version of acceptable length."""
    return len(version) <= VERSION_MAX and _SEMVER.fullmatch(version) is not None


def version_order(version: str) -> str:
    """A key whose byte order (collation "C") is the versions' precedence; build metadata has none.

    Numbers carry their length in front, a pre-release sorts before its release (`-` < `~`), and
    fields are separated by `!`, which sorts before every character that a field may have.
    Raises `ValueError` when it is not a semantic version.
    """
    match = _SEMVER.fullmatch(version)
    if match is None or len(version) > VERSION_MAX:
        raise ValueError(f"{version!r} is not a semantic version such as 1.0.0 or 2.1.0-rc.1")
    core = ".".join(_number(part) for part in match.group(1, 2, 3))
    pre_release: str | None = match.group(4)
    if pre_release is None:
        return core + "~"
    return core + "-" + "!".join(_field(field) for field in pre_release.split("."))


def _field(field: str) -> str:
    return "0" + _number(field) if field.isdecimal() else "1" + field


def _number(digits: str) -> str:
    return f"{len(digits):02d}{digits}"
