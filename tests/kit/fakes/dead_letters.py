"""Dead letters in memory."""

from collections.abc import Sequence

from kit.fakes.faults import Planned
from kit.fakes.rows import FakeRows
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry


class FakeDeadLetters:
    """See `dead_letters.quarantine.DeadLetterRows`; the rows of timers and inbox are retired."""

    def __init__(self, rows: FakeRows) -> None:
        self._rows = rows
        self.faults = Planned()

    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool:
        self.faults.meet("set_aside")
        if dead_letter.run is not None and dead_letter.kind == "timer":
            self._rows.timers.pop((dead_letter.run, dead_letter.item[0]), None)
        if dead_letter.run is not None and dead_letter.kind == "inbox":
            self._rows.inbox.pop((dead_letter.run, dead_letter.item[0]), None)
        fresh = dead_letter.digest not in {one.digest for one in self._rows.dead_letters}
        if fresh:
            self._rows.dead_letters.append(dead_letter)
        return fresh

    async def set_aside_messages(self, dead_letters: Sequence[DeadLetterEntry]) -> set[bytes]:
        return {one.digest for one in dead_letters if await self.set_aside(one)}
