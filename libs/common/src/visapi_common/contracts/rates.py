"""The public shapes of rates: how many requests and runs a tenant, a key, and keys under a name may take."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from visapi_common.contracts.gateway_bodies import Reason

PerSecond = Annotated[float, msgspec.Meta(ge=0.001, le=1_000_000, description="Requests per second.")]
Burst = Annotated[int, msgspec.Meta(ge=1, le=10_000_000, description="Requests at once.")]
Runs = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000_000, description="Runs in a period of UTC.")]

RATE_KEYS_MAX = 100
"""Keys under one name."""
NAMES_OF_A_KEY_MAX = 4
"""Names under which one key may stand: each costs every request of the key a little."""


class SetRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The limits of a key. What is left out is the default; without `burst` it is two seconds' worth."""

    per_s: PerSecond | None = None
    burst: Burst | None = None
    runs_per_day: Runs | None = None
    runs_per_month: Runs | None = None
    reason: Reason | None = None


class SetNamedRate(SetRate, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The limits that all keys under a name share. What is left out is not limited."""

    keys: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=64)]],
        msgspec.Meta(max_length=RATE_KEYS_MAX),
    ]
    """Ids of keys."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Limits as they are set. Null is the default, or no limit for a name and for runs."""

    of: Literal["tenant", "key", "name"]
    id: str
    """The tenant, the id of the key, or the name."""
    per_s: float | None
    burst: int | None
    runs_per_day: int | None
    runs_per_month: int | None
    keys: list[str]
    """Ids of the keys under a name."""
    updated_at: datetime | None
    updated_by: str | None


class RatePage(msgspec.Struct, frozen=True):
    items: list[Rate]
    next: str | None


class CurrentRate(msgspec.Struct, frozen=True):
    """One policy that applies to a key. `remaining` is what this replica knows."""

    policy: str
    """As `RateLimit-Policy` names it."""
    unit: Literal["requests", "runs"]
    quota: int
    per_s: float | None
    window_s: int
    remaining: int
    reset_s: int


class CurrentRates(msgspec.Struct, frozen=True):
    items: list[CurrentRate]
