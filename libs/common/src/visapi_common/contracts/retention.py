"""How long ended runs are kept: the public shapes of a namespace's policy."""

from datetime import datetime
from typing import Final

import msgspec

DAYS: Final = (1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1095, 1825, 2555, 3650)
"""What may be chosen. Few, because runs kept equally long lie in tables of their own."""


class Retention(msgspec.Struct, frozen=True):
    """How long ended runs of a namespace are kept. `updated_at` and `updated_by` are null by default."""

    namespace: str
    days: int
    is_default: bool
    updated_at: datetime | None
    updated_by: str | None


class RetentionPage(msgspec.Struct, frozen=True):
    """The namespaces that have a policy; all others keep their runs for `default_days`."""

    items: list[Retention]
    default_days: int
    next: str | None


class SetRetention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Runs that start from now on are kept for `days` after their end."""

    days: int
    reason: str | None = None
