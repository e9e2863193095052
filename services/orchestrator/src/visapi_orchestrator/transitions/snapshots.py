"""Snapshots of a batch's runs before they are advanced: remembered, described by a trigger, or read."""

from collections.abc import Callable, Sequence
from uuid import UUID

from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.dependencies import RunKeys, TransitionDependencies
from visapi_orchestrator.transitions.left_runs import LeftRuns
from visapi_orchestrator.transitions.rules.recent import RecentRuns
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot, snapshot_of


class Snapshots:
    """Loads live runs. An ended run with a requested retry is made live first."""

    def __init__(
        self,
        dependencies: TransitionDependencies,
        recent: RecentRuns,
        keys: RunKeys,
        note: Callable[[Exception], None],
    ) -> None:
        self._ledger = dependencies.ledger
        self._large = dependencies.large
        self._clock = dependencies.clock
        self._woken = dependencies.woken
        self._recent = recent
        self.leave_others = LeftRuns(dependencies, keys, note).leave

    async def load(self, batch: Sequence[RunMessages], *, unread_yet: bool) -> dict[UUID, RunSnapshot]:
        """Snapshots by run; a run that is not live has none. The first round (`unread_yet`) believes memory
        and triggers; later rounds read every run.
        """
        known: dict[UUID, RunSnapshot] = {}
        unread: list[RunMessages] = []
        for messages in batch:
            recent = self._recent.snapshot_for(messages)
            if not unread_yet:
                unread.append(messages)
            elif recent is not None:
                known[messages.run] = recent
            elif messages.trigger is not None and not messages.has_waiting_rows and not messages.results:
                known[messages.run] = snapshot_of(messages.trigger)
            else:
                unread.append(messages)
        if unread:
            loaded = await self._ledger.load([messages.run for messages in unread])
            if loaded.now_ms is not None:
                self._clock.heard(loaded.now_ms)
            known.update(loaded.snapshots)
            known.update(await self._revived([messages for messages in unread if messages.run not in known]))
            known = await self._large.restore(known)
        return known

    async def _revived(self, absent: Sequence[RunMessages]) -> dict[UUID, RunSnapshot]:
        asked = [messages.run for messages in absent if messages.has_waiting_rows]
        if not asked:
            return {}
        revived = await self._ledger.revive(asked)
        if revived.notified:
            self._woken(revived.notified)
        return (await self._ledger.load(revived.live)).snapshots if revived.live else {}
