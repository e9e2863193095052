"""The public shapes of retention policies: how long ended runs of a namespace are kept."""

from datetime import datetime
from typing import Annotated, Final

import msgspec

from visapi_common.contracts.gateway_bodies import Reason

DAYS: Final = (1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1095, 1825, 2555, 3650)
"""The possible values. They are few, because each has its own partitions."""


class Retention(msgspec.Struct, frozen=True):
    """How long ended runs of a namespace are kept. `updated_at` and `updated_by` are null by default."""

    namespace: str
    days: int
    is_default: bool
    updated_at: datetime | None
    updated_by: str | None


class RetentionPage(msgspec.Struct, frozen=True):
    """The namespaces with a policy; all others keep their runs for `default_days`."""

    items: list[Retention]
    default_days: int
    next: str | None


class SetRetention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Runs that start from now on are kept for `days` after their end."""

    days: Annotated[
        int, msgspec.Meta(extra_json_schema={"enum": DAYS, "minimum": DAYS[0], "maximum": DAYS[-1]})
    ]
    reason: Reason | None = None
