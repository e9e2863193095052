"""Checks and prepares the request of a simulation; reports every mistake at once, with its place."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.simulation import SimulateWorkflow
from visapi_common.core.cloudevents import check_event
from visapi_engine.model.parts import without_parts
from visapi_engine.model.program import Program
from visapi_engine.simulation.answers import check_answers
from visapi_engine.simulation.dry_run import SimulationInput

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


class RequestInvalid(Exception):
    """The given values do not fit the workflow; `mistakes` has pointers into the body."""

    def __init__(self, mistakes: list[FieldError]) -> None:
        super().__init__(f"what is given does not fit the workflow: {mistakes[0].detail}")
        self.mistakes = mistakes


def read_request(
    program: Program, asked: SimulateWorkflow, now: datetime, *, reads: Sequence[str] = ()
) -> SimulationInput:
    """Raises `RequestInvalid`. `now` counts when the request has none; `reads` are `Compiled.reads`."""
    begins = asked.now or now
    events = [_complete(event, number) for number, event in enumerate(asked.events)]
    wrong = check_answers(without_parts(program), asked.given)
    for number, event in enumerate(events):
        wrong += check_event(event, f"/events/{number}")
    if not _EARLIEST <= begins < _LATEST:
        wrong.append(FieldError("/now", f"must lie from {_EARLIEST.year} on and before {_LATEST.year}"))
    if wrong:
        raise RequestInvalid(wrong)
    return SimulationInput(
        input=_encode(asked.input),
        given=dict(asked.given),
        events=[_encode(event) for event in events],
        now_ms=round(begins.timestamp() * 1000),
        reads=list(reads),
    )


def _complete(event: dict[str, Any], number: int) -> dict[str, Any]:
    """An event with what CloudEvents asks for, so that a `type` and `data` are enough to say."""
    return {"specversion": "1.0", "id": f"simulated-{number}", "source": "/simulated", **event}
