"""The events of a transition, recorded where a setting asks for them."""

import msgspec

from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.step import Step

_encode = msgspec.json.Encoder().encode


class RecordedInput(Row, frozen=True):
    revision: int
    events: bytes


def recorded_input(step: Step) -> RecordedInput:
    return RecordedInput(step.snapshot.run, step.snapshot.revision, _encode(step.events))
