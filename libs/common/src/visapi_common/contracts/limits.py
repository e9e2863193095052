"""The public shapes of flow control: who is under way under which key, and who waits."""

from datetime import datetime
from typing import Any

import msgspec


class LimitView(msgspec.Struct, frozen=True):
    """One key of one workflow's `concurrency` or `rateLimit`, while a run holds or awaits a place under it.

    `limit` is null where only a rate limits. `next_turn` is when the rate lets in the next who waits.
    """

    namespace: str
    name: str
    key: Any
    """What the key expression gave; null without one."""
    limit: int | None
    under_way: int
    waiting: int
    waiting_since: datetime | None
    next_turn: datetime | None


class LimitPage(msgspec.Struct, frozen=True):
    items: list[LimitView]
    next: str | None
