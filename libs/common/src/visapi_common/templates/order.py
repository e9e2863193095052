"""What is asked of the sandbox and what it answers: bytes between a service and its bounded process."""

from typing import Any

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Sources by part, and what they are rendered with.

    The members of `data` are variables, and `data` is the whole unless it has a member of that name.
    """

    sources: dict[str, str]
    data: Any
    escaped: list[str] = []
    """The parts that are HTML: data is escaped in them."""
    trim: bool = False
    """Whether a line of a block alone leaves no line."""
    output_max: int
    """Characters of all parts together."""


class Mistake(msgspec.Struct, frozen=True):
    """What is wrong with a template or its data. `code` is template_invalid, _refused, _failed or _limits."""

    part: str
    code: str
    detail: str


class Rendered(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts, or the first mistake."""

    parts: dict[str, str] = {}
    mistake: Mistake | None = None
