"""Golden sessions: a definition, the events that come in, and below each event what it led to.

A session is a text file (`libs/engine/tests/golden/*.session`): what it shows, `given` lines for the
circumstances, the definition, then one block for each event. The lines that begin with `>` are the events
and stay as they are written; the indented lines are what the machine answered, and are compared.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from simulation.golden_words import Names, event_of, shown
from simulation.session import HEAD, Session
from visapi_engine.compile.compiler import Compiled, compile_definition
from visapi_engine.expressions.evaluate import Evaluator, OverBudget, Scope
from visapi_engine.machine.lineage import Lineage
from visapi_engine.model.listeners import listener_of
from visapi_engine.model.program import Jq

FOLDER = Path(__file__).resolve().parents[2] / "libs/engine/tests/golden"


class Golden:
    """One file: its head, its definition, and its blocks (comments, event line, answer)."""

    def __init__(self, text: str) -> None:
        head, found, rest = text.partition("\n> ")
        assert found, "a session has an event"
        self.head = head
        self.lines = ("> " + rest).rstrip("\n").split("\n")
        kept = head.split("\n")
        self.given = dict(
            line.removeprefix("given ").split("=", 1) for line in kept if line.startswith("given ")
        )
        self.definition = "\n".join(line for line in kept if not line.startswith(("#", "given ")))

    def session(self) -> Session:
        """The run before its first event."""
        source = self.definition.strip() + "\n"
        body = source if source.startswith("document:") else HEAD.decode() + source
        compiled = compile_definition(body.encode(), "application/yaml")
        if "program" in self.given:
            assert self.given["program"] == "listener"
            compiled = _listener(compiled)
        session = Session(compiled)
        if "lineage" in self.given:
            session.lineage = msgspec.json.decode(self.given["lineage"], type=Lineage)
        if "over_budget" in self.given:
            session.evaluate = _over_budget(session.evaluate, msgspec.json.decode(self.given["over_budget"]))
        return session

    def play(self) -> tuple[str, Session]:
        """The text of the file as the machine answers now, and the run after it."""
        session, names, written = self.session(), Names(), [self.head]
        for line in self.lines:
            if not line.startswith("> "):
                if line.startswith("#") or not line:
                    written.append(line)
                continue
            event = event_of(line, session.now, names)
            session.now = event.now_ms
            session.tell(event)
            assert session.last is not None
            written += [line, *shown(session.last, names, quiet=session.plan.program.quiet)]
        assert session.replayed() == session.state, "a replay gives another state"
        return "\n".join(written) + "\n", session


def sessions() -> Iterator[tuple[str, Golden]]:
    """All golden sessions by name."""
    for path in sorted(FOLDER.glob("*.session")):
        yield path.stem, Golden(path.read_text())


def _listener(compiled: Compiled) -> Compiled:
    """The program that listens for the events of the workflow's schedule."""
    on = compiled.program.schedule_on
    assert on is not None, "the schedule listens for nothing"
    return msgspec.structs.replace(compiled, program=listener_of(compiled.program, on))


def _over_budget(evaluate: Evaluator, sources: list[str]) -> Evaluator:
    """The evaluator of an engine process in which these expressions exceed their budget."""

    def bounded(template: Any, scope: Scope) -> Any:
        if isinstance(template, Jq) and template.source in sources:
            raise OverBudget("the expression took more CPU time than an input of its size allows")
        return evaluate(template, scope)

    return bounded
