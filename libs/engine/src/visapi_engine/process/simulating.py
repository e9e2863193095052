"""A simulation as its caller gets it: carried out, and encoded. Whoever calls this runs jq."""

from collections.abc import Callable
from typing import Any

import msgspec

from visapi_engine.definition.program import decode_program
from visapi_engine.expressions.evaluate import build_evaluator
from visapi_engine.machine.plan import make_plan
from visapi_engine.process.fold import encode_items
from visapi_engine.process.protocol import Simulate
from visapi_engine.simulation.dry_run import Wanted, dry_run


def simulated(wanted: Simulate, before_each: Callable[[], Any] | None = None) -> bytes:
    """Carry out a program and encode the `Simulation`. Raises `ValueError` for a schema that is none."""
    program = decode_program(wanted.body)
    outcome = dry_run(
        make_plan(program),
        build_evaluator(program),
        Wanted(wanted.input, wanted.given, wanted.events, wanted.now_ms),
        before_each=before_each,
    )
    answer = msgspec.structs.asdict(outcome)
    answer["history"] = msgspec.Raw(encode_items(answer.pop("entries"), 0))
    return msgspec.json.encode(answer)
