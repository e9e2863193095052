"""A simulation as its caller gets it: carried out and encoded, the handles of secrets hidden."""

from collections.abc import Callable

import msgspec

from visapi_common.core.secret_handles import handles_in
from visapi_engine.expressions.evaluate import build_evaluator
from visapi_engine.expressions.scope import DIRECT, Runner
from visapi_engine.machine.plan import make_plan
from visapi_engine.model.parts import without_parts
from visapi_engine.model.program import decode_program
from visapi_engine.process.fold import encode_items
from visapi_engine.process.protocol import Simulate, Simulated
from visapi_engine.simulation.dry_run import HANDLE_KEY, dry_run

BYTES_MAX = 16 * 1024 * 1024
"""Of one answer, which its caller has to hold whole."""
HIDDEN = "***"


def simulated(
    message: Simulate, run: Runner = DIRECT, before_each: Callable[[], object] | None = None
) -> Simulated:
    """Carry out a program and encode the `Simulation`; `run` evaluates, `before_each` renews its limits."""
    program = without_parts(decode_program(message.body))
    outcome = dry_run(
        make_plan(program), build_evaluator(program, run), message.wanted, before_each=before_each
    )
    answer = msgspec.structs.asdict(outcome)
    answer["history"] = msgspec.Raw(encode_items(answer.pop("entries"), 0))
    body = _hidden(msgspec.json.encode(answer))
    if len(body) > BYTES_MAX:
        return Simulated(b"", refused=f"what came of it has {len(body)} bytes, allowed are {BYTES_MAX}")
    return Simulated(body)


def _hidden(body: bytes) -> bytes:
    """A handle has no character that JSON escapes, so it is found in the encoded text."""
    text = body.decode()
    parts: list[str] = []
    at = 0
    for begin, end, _ in handles_in(text, HANDLE_KEY):
        parts += (text[at:begin], HIDDEN)
        at = end
    return "".join([*parts, text[at:]]).encode() if parts else body
