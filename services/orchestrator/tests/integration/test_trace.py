"""One trace from the trigger to the last task, carried by the row, not by a connection."""

from collections.abc import Sequence

from kit.orchestration import Stack
from visapi_common.telemetry.spans import Kind, Span, Spans, UnrecordedSpan

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ROOT = f"00-{TRACE}-00f067aa0ba902b7-01"
TWO = "do:\n  - one: {call: acme.echo, with: {n: 1}}\n  - two: {call: acme.echo, with: {n: 2}}\n"


class Recorder:
    """Keeps what was opened."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, str | None]] = []

    def open(self, name: str, kind: Kind, parent: str | None, links: Sequence[str]) -> Span:
        self.opened.append((name, parent))
        return UnrecordedSpan(f"00-{TRACE}-{len(self.opened):016x}-01")


async def test_every_transition_is_a_span_of_the_runs_trace_and_tasks_continue_it(stack: Stack):
    await stack.gateway.deploy("two", TWO)
    recorder = Recorder()
    async with stack.orchestrator(spans=Spans(recorder, 1.0)):
        worker = await stack.worker("acme.echo")
        trigger = stack.gateway.trigger("two", trace=ROOT)
        await stack.gateway.accept(trigger)
        stack.gateway.announce(trigger)
        await stack.gateway.ended(trigger.run)
    assert recorder.opened == [("transition", ROOT)] * 3
    assert [task.trace for task in worker.seen] == [f"00-{TRACE}-{n:016x}-01" for n in (1, 2)]
