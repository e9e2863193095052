"""Leaves runs that this replica cannot advance: their messages go back to NATS and their rows become due
again, so a replica that can advance them finds them.

- A run in formats of a later release is never guessed at: a state that loses members, or a program that is
  refused, would end or change it. Only a release that was told to write new formats (`VISAPI_WRITES`) while
  older replicas run brings this about.
- A run whose effect or handle key is not here would do its effects a second time under other keys. Its
  operator has to put the key back (docs/how-to/rotate-every-secret.md).
"""

from collections.abc import Callable
from uuid import UUID

from visapi_common.contracts.foreign import version_of
from visapi_common.contracts.formats import NEWEST
from visapi_common.core.keyrings import MissingKeyError
from visapi_common.core.large_values import small_part
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.kernel.receipts import hand_back
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.dependencies import RunKeys, TransitionDependencies
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot

AGAIN_S = 5.0
"""The delay of a returned message, so that another replica takes it."""


class LeftRuns:
    """See the module's docstring. `note` reports a failure that the operator has to fix."""

    def __init__(
        self, dependencies: TransitionDependencies, keys: RunKeys, note: Callable[[Exception], None]
    ) -> None:
        self._engine = dependencies.engine
        self._keys = keys
        self._note = note
        self._metrics = dependencies.metrics
        self._log = get_logger("transitions")

    async def leave(self, batch: list[RunMessages], known: dict[UUID, RunSnapshot]) -> list[RunMessages]:
        """Hand back the messages of runs that cannot be advanced here, and take the runs out of `known`.
        Returns the messages.
        """
        newer: list[RunMessages] = []
        keyless: list[RunMessages] = []
        for messages in batch:
            snapshot = known.get(messages.run)
            if snapshot is None:
                continue
            if not self._keys.has(snapshot):
                keyless.append(messages)
            elif not await self._reads(snapshot):
                newer.append(messages)
        if newer:
            self._log.warning("runs_of_newer_release", runs=len(newer), first=str(newer[0].run))
            self._hand_back(newer, "newer", known)
        if keyless:
            text = f"{len(keyless)} runs are older than the oldest effect or handle key here"
            self._note(MissingKeyError(f"{text}, {keyless[0].run} first; put the key before it back"))
            self._hand_back(keyless, "keys", known)
        return newer + keyless

    def _hand_back(self, left: list[RunMessages], reason: str, known: dict[UUID, RunSnapshot]) -> None:
        for messages in left:
            del known[messages.run]
        self._metrics.messages_stale.labels(reason).inc(sum(messages.count for messages in left))
        hand_back(left, delay_s=AGAIN_S)

    async def _reads(self, snapshot: RunSnapshot) -> bool:
        stored = snapshot.state if snapshot.trusted else None
        if stored is not None and version_of(small_part(stored)) > NEWEST.state:
            return False
        return await self._engine.reads(snapshot.program)
