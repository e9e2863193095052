"""The public shapes of secrets: their values go in and never come out."""

from datetime import datetime

import msgspec


class SecretView(msgspec.Struct, frozen=True):
    """A secret without its value. `hosts` names where it may be sent; null is anywhere."""

    name: str
    hosts: list[str] | None
    updated_at: datetime
    updated_by: str


class SecretPage(msgspec.Struct, frozen=True):
    items: list[SecretView]
    next: str | None
