"""Hostile expressions in real engine processes: an ordinary error of their own run, and of nothing else."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import msgspec
import psutil
import pytest

from simulation.session import NOON, Compiled, compiled
from visapi_common.contracts.problems import ERROR_BASE, WorkflowError
from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.commands import SetTimer
from visapi_engine.machine.events import Started, TimerFired
from visapi_engine.machine.lifecycle import OVERRUNS_MAX
from visapi_engine.process.guarded import OVERRUNS_MAX as FOLD_MAX
from visapi_engine.process.pool import EnginePool
from visapi_engine.process.protocol import Answer, Limits, Work

GOES_ON = "#continue"
LOCAL = "do: [{a: {set: {n: '${ .n }'}}}]"
ROWS = 112_000
"""As many rows as make 10 MiB."""

HOSTILE = [
    "def f: f; f",
    "[range(1e9)] | length",
    "last(range(1e12))",
    "def f: [f]; f",
    "def f(x): f(x + 1) + 1; f(0)",
    '"a" * 1000000000 | length',
    "[.] | until(false; . + .)",
    'reduce range(1e9) as $i (""; . + "x")',
    "[limit(1e9; repeat(1))] | length",
    '[range(1e6)] | map("a" * 2000 | test("(a+)+b")) | length',
    '"a" * 3000000 | gsub("a"; "bb") | length',
    "0 | [recurse(. + 1; true)] | length",
    "[range(300000)] | [combinations(3)] | length",
]


class Engine:
    """A pool of one process, and what it lost."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.bodies: dict[str, bytes] = {}
        self.lost: list[str] = []
        self.pool = EnginePool(1, self._load, limits, on_lost=self.lost.append)

    async def _load(self, program: str) -> bytes:
        return self.bodies[program]

    def begin(self, body: str, value: object = None) -> Work:
        program: Compiled = compiled(body)
        self.bodies[program.hash] = program.body
        run = uuid4()
        events = [Started(NOON, str(run), msgspec.json.encode(value))]
        return Work(run=run, tenant="default", program=program.hash, seq=0, events=[*events])

    async def advance(self, *works: Work) -> list[Answer]:
        found = {answer.run: answer async for answer in self.pool.advance(works)}
        put_off = [work for work in works if work.run not in found]
        found |= {answer.run: answer async for answer in self.pool.advance(put_off, apart=True)}
        return [found[work.run] for work in works]

    async def start(self, body: str, value: object = None) -> Answer:
        """Until it waits for something else than others' turns."""
        work = self.begin(body, value)
        (answer,) = await self.advance(work)
        while any(isinstance(command, SetTimer) and command.id == GOES_ON for command in answer.commands):
            goes_on = TimerFired(NOON, GOES_ON)
            work = msgspec.structs.replace(work, state=answer.state, seq=answer.seq, events=[goes_on])
            (answer,) = await self.advance(work)
        return answer


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    await engine.pool.start()
    yield engine
    await engine.pool.stop()


def caught(*expressions: str) -> str:
    """Each expression in a `try` of its own; the output is the list of the errors' types and status."""
    kind = ERROR_BASE + "expression"
    tasks = "".join(
        f"""
  - t{n}:
      try: [{{bad: {{set: {{x: '${{ {expression} }}'}}}}}}]
      catch:
        errors: {{with: {{type: {kind}, status: 400}}}}
        do: [{{keep: {{set: '${{ $input + [$error.detail] }}', export: {{as: .}}}}}}]"""
        for n, expression in enumerate(expressions)
    )
    return f"do:\n  - begin: {{set: '${{ [] }}'}}{tasks}"


def details(answer: Answer) -> list[str]:
    assert (answer.status, answer.ok) == (RunStatus.COMPLETED, True), answer
    assert answer.output is not None
    return msgspec.json.decode(answer.output, type=list[str])


@pytest.mark.parametrize("expression", HOSTILE)
async def test_a_hostile_expression_is_an_error_that_its_run_can_catch(
    engine: Engine, expression: str
) -> None:
    before, hostile, after = (
        engine.begin(LOCAL, {"n": 1}), engine.begin(caught(expression)), engine.begin(LOCAL, {"n": 2})
    )  # fmt: skip
    answers = await engine.advance(before, hostile, after)
    assert [answers[0].output, answers[2].output] == [b'{"n":1}', b'{"n":2}']
    (detail,) = details(answers[1])
    assert any(word in detail for word in ("exceeded its budget", "value of", "nested")), detail
    assert len(engine.lost) <= 1


async def test_uncaught_it_faults_its_run_as_any_error_of_an_expression(engine: Engine) -> None:
    answer = await engine.start("do: [{bad: {set: {x: '${ def f: f; f }'}}}]")
    assert (answer.status, answer.ok, answer.overruns) == (RunStatus.FAULTED, True, 1)
    assert answer.error is not None
    error = msgspec.json.decode(answer.error, type=WorkflowError)
    assert (error.type, error.status, error.instance) == (ERROR_BASE + "expression", 400, "/do/0/bad")
    assert error.detail is not None
    assert "exceeded its budget: it took more than 250 ms of CPU time (its input has" in error.detail


async def test_several_in_one_transition_cost_one_process(engine: Engine) -> None:
    found = details(await engine.start(caught(*["def f: f; f", "def f: [f]; f"])))
    assert ["exceeded its budget" in detail for detail in found] == [True, True]
    assert len(engine.lost) == 1


async def test_after_some_in_one_transition_no_more_are_evaluated(engine: Engine) -> None:
    found = details(await engine.start(caught(*["def f: f; f"] * (FOLD_MAX + 3))))
    assert ["not evaluated" in detail for detail in found] == [False] * FOLD_MAX + [True] * 3


async def test_a_run_that_keeps_on_is_ended_though_it_catches_them_all(engine: Engine) -> None:
    answer = await engine.start(caught(*["def f: f; f"] * (OVERRUNS_MAX + 2)))
    assert (answer.status, answer.ok) == (RunStatus.FAULTED, True)
    assert answer.error is not None
    assert f"more than {OVERRUNS_MAX} expressions" in answer.error.decode()


async def test_runs_of_a_program_that_did_it_before_end_no_process(engine: Engine) -> None:
    for _ in range(3):
        await engine.start(caught("def f: f; f"))
    assert len(engine.lost) == 1


async def test_what_an_expression_may_use_grows_with_its_input(engine: Engine) -> None:
    rows = [{"id": n, "paid": n % 2 == 0, "note": "x" * 60} for n in range(ROWS)]
    assert len(msgspec.json.encode(rows)) > 10 * 1024 * 1024
    answer = await engine.start("do: [{a: {set: {n: '${ map(select(.paid)) | length }'}}}]", rows)
    assert (answer.output, engine.lost) == (f'{{"n":{ROWS // 2}}}'.encode(), [])


async def test_a_large_result_of_a_large_input_comes_through(engine: Engine) -> None:
    rows = [{"id": n, "paid": n % 2 == 0, "note": "x" * 60} for n in range(ROWS)]
    answer = await engine.start("do: [{a: {set: '${ map(select(.paid)) }'}}]", rows)
    assert answer.output == msgspec.json.encode(rows[::2])


async def test_a_hostile_expression_on_a_large_input_is_an_error_too(engine: Engine) -> None:
    body = caught("$workflow.input | [combinations] | length")
    answer = await engine.start(body, [[n] * 2 for n in range(300_000)])
    (detail,) = details(answer)
    assert "exceeded its budget" in detail


@pytest.mark.parametrize(
    "expression", ["{a: ., b: ., c: .}", "[., .]", '. + . + "x"', '"\\(.)\\(.)"', "[., 1] | .[:1] + ."]
)
async def test_a_value_that_grows_in_a_loop_is_an_error_before_it_is_stored(
    engine: Engine, expression: str
) -> None:
    answer = await engine.start(
        f"""
do:
  - grow:
      try:
        - begin: {{set: '${{ "x" }}'}}
        - loop: {{for: {{in: '${{ [range(100)] }}'}}, do: [{{more: {{set: '${{ {expression} }}'}}}}]}}
      catch: {{errors: {{with: {{type: {ERROR_BASE}expression}}}}, do: [{{say: {{set: '${{ $error.detail }}'}}}}]}}
"""
    )
    assert answer.status is RunStatus.COMPLETED, answer
    assert b"value of" in (answer.output or b"") or b"budget" in (answer.output or b"")


async def test_a_value_that_is_nested_ever_deeper_is_an_error_before_it_is_stored(engine: Engine) -> None:
    answer = await engine.start(
        f"""
do:
  - grow:
      try:
        - loop: {{for: {{in: '${{ [range(300)] }}'}}, do: [{{more: {{set: '${{ [[[[.]]]] }}'}}}}]}}
      catch: {{errors: {{with: {{type: {ERROR_BASE}expression}}}}, do: [{{say: {{set: '${{ $error.detail }}'}}}}]}}
"""
    )
    assert b"nested too deeply" in (answer.output or b"")


async def test_a_fork_that_is_killed_from_outside_is_begun_again() -> None:
    """Whoever kills processes of the machine makes no expression fail."""
    engine = Engine(Limits(first_cpu_ms=1, run_cpu_ms=20_000))
    await engine.pool.start()
    killed: list[int] = []
    try:
        advancing = asyncio.create_task(
            engine.start("do: [{a: {set: {n: '${ [range(3000000)] | length }'}}}]")
        )
        while not killed and not advancing.done():
            await asyncio.sleep(0.005)
            killed = [fork for pid in children(os.getpid()) if is_engine(pid) for fork in children(pid)]
        for fork in killed:
            os.kill(fork, signal.SIGKILL)
        assert (await advancing).output == b'{"n":3000000}'
        assert killed
    finally:
        await engine.pool.stop()


def is_engine(process: int) -> bool:
    """Whether a process is one of the engine, and not a server that another test has started."""
    try:
        return b"visapi_engine" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


def children(parent: int) -> list[int]:
    """The processes that a process has started, by /proc."""
    try:
        found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    except OSError:
        return []
    return [int(pid) for pid in found]


async def test_the_time_that_a_hostile_run_takes_is_bounded(engine: Engine) -> None:
    began = time.monotonic()
    await engine.start("do: [{bad: {set: {x: '${ def f: f; f }'}}}]")
    assert time.monotonic() - began < 30, "100 and 250 ms of CPU time, on a machine that may be busy"


async def test_nothing_of_a_fork_is_left_behind() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    engine = Engine()
    await engine.pool.start()
    await engine.start(caught("def f: f; f", "def f: [f]; f"))
    await engine.pool.stop()
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before
