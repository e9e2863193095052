"""The fields `RateLimit-Policy` and `RateLimit`, as in draft-ietf-httpapi-ratelimit-headers-10 (and -11, for
the parts used here). No other file spells these fields.

- `q` is the number of requests, or of the units that `qu` names, in a window of `w` seconds;
- `r` is the remainder, `t` the seconds until the whole quota is available again. In a refusal `t` is the time
  until one more request is admitted, only the exceeded policies are named, and `Retry-After` is the largest
  `t` of them.

`r` is this gateway's own view: other gateways may have taken tokens since its latest lease.
"""

from collections.abc import Iterable
from typing import NamedTuple

POLICY = "RateLimit-Policy"
STATE = "RateLimit"


class PolicyItem(NamedTuple):
    """One policy. `unit` is None for requests."""

    name: str
    quota: int
    window_s: int
    unit: str | None = None


class StateItem(NamedTuple):
    """How much of a policy remains, and the seconds until all of it does."""

    name: str
    remaining: int
    reset_s: int


def policy_field(policies: Iterable[PolicyItem]) -> str:
    """The value of `RateLimit-Policy`."""
    return ", ".join(
        f'"{one.name}";q={one.quota};w={one.window_s}' + (f';qu="{one.unit}"' if one.unit else "")
        for one in policies
    )


def state_field(states: Iterable[StateItem]) -> str:
    """The value of `RateLimit`."""
    return ", ".join([f'"{name}";r={remaining};t={reset_s}' for name, remaining, reset_s in states])
