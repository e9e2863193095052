"""The public shapes of secrets; no response contains a value."""

from datetime import datetime

import msgspec


class SecretView(msgspec.Struct, frozen=True):
    """A secret without its value. `hosts` lists where it may be sent; null means anywhere."""

    name: str
    hosts: list[str] | None
    updated_at: datetime
    updated_by: str


class SecretPage(msgspec.Struct, frozen=True):
    items: list[SecretView]
    next: str | None
