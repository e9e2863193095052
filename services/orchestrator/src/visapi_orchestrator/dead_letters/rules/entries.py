"""What is set aside because it failed alone, and what puts it back. Pure."""

import hashlib
from typing import Literal
from uuid import UUID

import msgspec

from visapi_common.core.failures import storable

Kind = Literal["message", "event", "emit", "schedule", "function", "timer", "inbox", "run", "lifecycle"]
"""What stands in the letter: a message on `EVENTS`, an event that cannot be matched (`event`) or published
(`emit`), or a row of the table that is named so.
"""

SERVICE = "orchestrator"
_ITEM_CHARS_MAX = 2000


class DeadLetterEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter of something that is no task. `item` names the row within its tenant or run."""

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
        """The same for the same contents of the same row."""
        found = hashlib.sha256()
        for part in (self.kind, self.reason, self.tenant, str(self.run), *self.item):
            found.update(part.encode("utf-8", "surrogatepass") + b"\0")
        found.update(self.body)
        return found.digest()

    @property
    def stored_item(self) -> list[str]:
        return [storable(part, _ITEM_CHARS_MAX) for part in self.item]


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A letter that somebody asked to put back."""

    id: UUID
    kind: Kind
    tenant: str
    item: tuple[str, ...]
    body: bytes
    headers: bytes | None
    run: UUID | None
