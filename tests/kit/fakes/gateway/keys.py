"""API keys in memory."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from kit.fakes.faults import Planned
from visapi_gateway.kernel.access.authentication import NewHash, StoredKey


class FakeKeys:
    """See `kernel.access.authentication.KeySource`."""

    def __init__(self, *stored: StoredKey) -> None:
        self.faults = Planned()
        self.rows = {key.id: key for key in stored}
        self.used: dict[str, datetime] = {}

    async def all_keys(self) -> Sequence[StoredKey]:
        await self.faults.enter("all_keys")
        return list(self.rows.values())

    async def note_use(self, used: dict[str, datetime]) -> None:
        await self.faults.enter("note_use")
        for key, at in used.items():
            if key in self.rows:
                self.used[key] = max(at, self.used.get(key, at))

    async def rehash(self, hashes: Sequence[NewHash]) -> None:
        await self.faults.enter("rehash")
        for one in hashes:
            row = self.rows.get(one.id)
            if row is not None and row.hash == one.before:
                self.rows[one.id] = msgspec.structs.replace(row, hash=one.hash, pepper=one.pepper)
