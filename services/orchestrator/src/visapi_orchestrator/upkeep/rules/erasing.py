"""The order in which a tenant is erased, and when nothing is left. Pure.

Steps are done one after another, each in pieces until it finds nothing more; then the next pass begins. A
tenant is erased when a whole pass has found nothing: what was written while an earlier pass went by is found
by a later one. The place of an erasure is a row, so a process that dies at any moment repeats one piece.
"""

from typing import Final

import msgspec

OF_OPEN_RUNS: Final = "runs"
OF_ENDED_RUNS: Final = "runs_done"
WALKED: Final = ("families", "deliveries")
"""Tables without an index by tenant: all their rows are looked at, in the order of their keys."""
OBJECTS: Final = ("artifacts", "payloads", "template_contents")
STEPS: Final = (
    "schedule_listeners",
    "schedule_fires",
    "schedules",
    OF_OPEN_RUNS,
    OF_ENDED_RUNS,
    "subscriptions",
    "flow_slots",
    "flow_waiting",
    "approvals",
    "dead_letter_replays",
    "dead_letters",
    "events_in",
    "idempotency",
    "endpoint_attempts",
    "endpoint_messages",
    "endpoint_news",
    "endpoint_secrets",
    "endpoints",
    "hook_bodies",
    "hook_deliveries",
    "hook_refused_requests",
    "hook_refusals",
    "hook_secrets",
    "hook_usage",
    "hooks",
    "secrets",
    "account_versions",
    "accounts",
    "template_versions",
    "templates",
    "retention_policies",
    "quota_leases",
    "rate_leases",
    "rates",
    "functions",
    "workflows",
    "api_keys",
    "usage_deltas",
    "usage_days",
    "open_runs",
    *WALKED,
    *OBJECTS,
)


class Place(msgspec.Struct, frozen=True):
    """How far an erasure is: the step, the key that a walk has reached, and whether this pass found
    anything.
    """

    step: str = STEPS[0]
    position: str = ""
    found: bool = False


class Piece(msgspec.Struct, frozen=True):
    """What one piece of a step did: the number of rows or objects that are gone, whether there may be more
    of the step, and the key that a walk has reached.
    """

    gone: int
    more: bool
    position: str = ""


def place_after(place: Place, piece: Piece) -> Place | None:
    """Where to go on; None when a whole pass has found nothing."""
    found = place.found or piece.gone > 0
    if piece.more:
        return Place(place.step, piece.position, found)
    following = STEPS.index(place.step) + 1
    if following < len(STEPS):
        return Place(STEPS[following], "", found)
    return Place() if found else None
