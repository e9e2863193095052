"""Runs as this process has just written them, so that the next result of a run need not read it.

An entry serves results of the tasks that its own transition has issued, once: another replica may
have advanced the run since, but not on those results. The snapshot is never trusted: the
compare-and-set verifies it, and a run that moved is read. Pure.
"""

from uuid import UUID

import msgspec

from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot
from visapi_orchestrator.transitions.rules.step import Step

ENTRIES_MAX = 4096
STATE_MAX = 4096
"""Bytes of state that an entry may hold; together this bounds the memory at 16 MiB."""


class _Entry(msgspec.Struct, frozen=True):
    snapshot: RunSnapshot
    tasks: frozenset[tuple[str, int]]


class RecentRuns:
    """See the module's docstring."""

    def __init__(self) -> None:
        self._entries: dict[UUID, _Entry] = {}

    def written(self, step: Step) -> None:
        """Remember a run whose transition is committed."""
        snapshot, answer = step.snapshot, step.answer
        self._entries.pop(snapshot.run, None)
        if not step.tasks or answer.ended or len(answer.state) > STATE_MAX:
            return
        if len(self._entries) >= ENTRIES_MAX:
            del self._entries[next(iter(self._entries))]
        now = msgspec.structs.replace(
            snapshot,
            status=answer.status,
            revision=snapshot.revision + 1,
            seq=answer.seq,
            state=answer.state,
            input=None,
            inbox=(),
            trusted=False,
        )
        self._entries[snapshot.run] = _Entry(now, frozenset((task.path, task.attempt) for task in step.tasks))

    def snapshot_for(self, messages: RunMessages) -> RunSnapshot | None:
        """The run's snapshot, where all messages are results of its newest tasks."""
        entry = self._entries.pop(messages.run, None)
        if entry is None or messages.has_waiting_rows or messages.timers or messages.trigger is not None:
            return None
        if not all((result.path, result.attempt) in entry.tasks for result in messages.results):
            return None
        return entry.snapshot
