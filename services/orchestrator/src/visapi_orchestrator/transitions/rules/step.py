"""One run's transition, between the engine's answer and the rows. Pure.

A step holds everything that depends on its run alone: a step whose compare-and-set failed, or whose row
PostgreSQL refused, is dropped or repeated by itself.
"""

from dataclasses import dataclass, field

from visapi_engine.machine.events import EngineFailed, Event
from visapi_engine.process.protocol import Answer
from visapi_orchestrator.kernel.rules.messages import RunMessages
from visapi_orchestrator.transitions.rules.outgoing_tasks import Outgoing
from visapi_orchestrator.transitions.rules.related_writes import RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot


@dataclass(slots=True)
class Step:
    """The messages of one run, the snapshot they met, and the engine's answer.

    The payload columns, tasks and small documents are prepared before planning, because packing large
    values needs the artifact store.
    """

    messages: RunMessages
    snapshot: RunSnapshot
    events: list[Event]
    answer: Answer
    output: bytes | None = None
    tasks: list[Outgoing] = field(default_factory=list[Outgoing])
    related: RelatedWrites | None = None
    """The writes that concern other runs, events or people; None where there are none."""
    trace: str | None = None
    """The traceparent of this transition, for the workers of its tasks."""
    small_state: bytes | None = None
    small_items: bytes | None = None
    """State and history as their rows take them, where large values were taken out."""
    refused: str | None = None
    """Why the step cannot be written: one of its values is larger than any may be."""

    @property
    def stored_state(self) -> bytes:
        return self.answer.state if self.small_state is None else self.small_state

    @property
    def changes(self) -> bool:
        """Whether anything must be written. If not, and the run was read, every message is a duplicate."""
        answer = self.answer
        return bool(
            answer.ended
            or answer.seq != self.snapshot.seq
            or answer.commands
            or self.snapshot.inbox
            or self.messages.timers
            or answer.state != self.snapshot.state
        )

    @property
    def ended_by_us(self) -> bool:
        """Whether the run ended without its program deciding so."""
        return not self.answer.ok or any(isinstance(event, EngineFailed) for event in self.events)


def unchanged(messages: RunMessages, snapshot: RunSnapshot, events: list[Event]) -> Step:
    """The messages had no content (a hint whose rows are consumed): the run stays as it is."""
    assert snapshot.state is not None
    answer = Answer(
        run=snapshot.run,
        status=snapshot.status,
        state=snapshot.state,
        first_seq=snapshot.seq + 1,
        seq=snapshot.seq,
    )
    return Step(messages, snapshot, events, answer)
