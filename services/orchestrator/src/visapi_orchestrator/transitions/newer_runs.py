"""Leaves runs to the replicas of a later release that wrote them in formats which this release does not read.

Such a run is never guessed at: a state that loses members, or a program that is refused, would end or change
it. Its messages go back to NATS and its rows become due again, so a newer replica finds them. Only a release
that was told to write new formats (`VISAPI_WRITES`) while older replicas run brings this about.
"""

from uuid import UUID

from visapi_common.contracts.foreign import version_of
from visapi_common.contracts.formats import NEWEST
from visapi_common.core.large_values import small_part
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.kernel.receipts import hand_back
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.dependencies import TransitionDependencies
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot

AGAIN_S = 5.0
"""A newer replica takes one of the next deliveries."""


class NewerRuns:
    """See the module's docstring."""

    def __init__(self, dependencies: TransitionDependencies) -> None:
        self._engine = dependencies.engine
        self._metrics = dependencies.metrics
        self._log = get_logger("transitions")

    async def leave(self, batch: list[RunMessages], known: dict[UUID, RunSnapshot]) -> list[RunMessages]:
        """Hand back the messages of runs that cannot be read here, and take the runs out of `known`. Returns
        the messages.
        """
        found: list[RunMessages] = []
        for messages in batch:
            snapshot = known.get(messages.run)
            if snapshot is not None and not await self._reads(snapshot):
                found.append(messages)
                del known[messages.run]
        if found:
            self._log.warning("runs_of_newer_release", runs=len(found), first=str(found[0].run))
            self._metrics.messages_stale.labels("newer").inc(sum(messages.count for messages in found))
            hand_back(found, delay_s=AGAIN_S)
        return found

    async def _reads(self, snapshot: RunSnapshot) -> bool:
        stored = snapshot.state if snapshot.trusted else None
        if stored is not None and version_of(small_part(stored)) > NEWEST.state:
            return False
        return await self._engine.reads(snapshot.program)
