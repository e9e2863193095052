"""Dead letters of items that failed alone, and their replays. Pure."""

import hashlib
from typing import Literal
from uuid import UUID

import msgspec

from visapi_common.core.failures import storable

Kind = Literal[
    "message", "event", "emit", "schedule", "function", "timer", "inbox", "run", "lifecycle", "webhook"
]
"""The item of the dead letter: a message on `EVENTS`, an event that cannot be matched (`event`) or published
(`emit`), a row of the table of that name, or a webhook that the notifier gave up.
"""

SERVICE = "orchestrator"
_ITEM_CHARS_MAX = 2000


class DeadLetterEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter of an item other than a task. `item` names the row within its tenant or run."""

    kind: Kind
    tenant: str
    reason: str
    detail: str
    item: tuple[str, ...] = ()
    body: bytes = b""
    headers: bytes | None = None
    run: UUID | None = None

    @property
    def digest(self) -> bytes:
        """Equal for equal contents of the same row."""
        found = hashlib.sha256()
        for part in (self.kind, self.reason, self.tenant, str(self.run), *self.item):
            found.update(part.encode("utf-8", "surrogatepass") + b"\0")
        found.update(self.body)
        return found.digest()

    @property
    def stored_item(self) -> list[str]:
        return [storable(part, _ITEM_CHARS_MAX) for part in self.item]


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter whose replay was requested."""

    id: UUID
    kind: Kind
    tenant: str
    item: tuple[str, ...]
    body: bytes
    headers: bytes | None
    run: UUID | None
    edited: bool = False
    """The event was replaced; the replacement counts instead of the row."""
