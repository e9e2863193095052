"""Requests to the template sandbox and its answers, as bytes between a service and a bounded process."""

from typing import Any

import msgspec


class RenderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Template sources by part, and their data.

    The members of `data` are variables; `data` itself is the whole, unless it has a member of that name.
    """

    sources: dict[str, str]
    data: Any = None
    data_json: bytes = b""
    """JSON in place of `data`, which only the bounded process decodes."""
    escaped: list[str] = []
    """The HTML parts, in which data is escaped."""
    trim: bool = False
    """Whether a line with only a block tag is removed."""
    assets: dict[str, str] = {}
    """The address of each asset by name: what `asset(name)` gives."""
    output_max: int
    """The most characters of all parts together."""


class Mistake(msgspec.Struct, frozen=True):
    """A mistake in a template or its data. `code` is template_invalid, _refused, _failed or _limits."""

    part: str
    code: str
    detail: str


class Rendered(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts, or the first mistake."""

    parts: dict[str, str] = {}
    mistake: Mistake | None = None


class Flaw(msgspec.Struct, frozen=True):
    """A mistake in a source that was not rendered. `place` is the caller's name of the source."""

    place: str
    detail: str
