"""The engine in this process: the same fold, without processes, watchdog and budgets."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from visapi_common.contracts.foreign import version_of
from visapi_common.contracts.formats import NEWEST
from visapi_engine.compile.compiler import compile_definition
from visapi_engine.expressions.evaluate import build_evaluator
from visapi_engine.machine.plan import make_plan
from visapi_engine.model.listeners import listener_of
from visapi_engine.model.program import decode_program, encode_program
from visapi_engine.process.fold import fold
from visapi_engine.process.protocol import Answer, Work

_HEAD = b"document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}\n"


class InlineEngine:
    """See `transitions.ports.Engine`."""

    def __init__(self) -> None:
        self.programs: dict[str, bytes] = {}
        self.slow: set[UUID] = set()
        """Runs that get no answer unless they are asked for apart."""
        self.asked: list[Work] = []
        self.calls: list[Sequence[Work]] = []
        """The works of each `advance`."""

    def deploy(self, do: str) -> str:
        """Compile a definition given without its `document`; the program's hash in hex."""
        compiled = compile_definition(_HEAD + do.encode(), "application/yaml")
        self.programs[compiled.hash] = compiled.body
        return compiled.hash

    def deploy_listener(self, on: str) -> str:
        """The program that listens for a schedule `on` these events; its hash in hex."""
        source = _HEAD + f"schedule: {{on: {{{on}}}}}\ndo: [{{a: {{set: {{n: 1}}}}}}]".encode()
        program = compile_definition(source, "application/yaml").program
        assert program.schedule_on is not None
        body = encode_program(listener_of(program, program.schedule_on))
        digest = hashlib.sha256(body).hexdigest()
        self.programs[digest] = body
        return digest

    async def reads(self, program: str) -> bool:
        return version_of(self.programs[program]) <= NEWEST.program

    async def advance(self, works: Sequence[Work], *, apart: bool = False) -> AsyncIterator[Answer]:
        self.calls.append(works)
        for work in works:
            self.asked.append(work)
            if apart or work.run not in self.slow:
                program = decode_program(self.programs[work.program])
                yield fold(make_plan(program), build_evaluator(program), work)
