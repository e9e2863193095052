"""Engine processes, real ones: batches, programs, deaths, hostile expressions."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from simulation.session import NOON, compiled
from visapi_common.contracts.runs import HistoryItem, RunStatus
from visapi_engine.compile.compiler import Compiled
from visapi_engine.machine.commands import CallTask, DropTask
from visapi_engine.machine.events import Event, Started, TaskCompleted
from visapi_engine.process.pool import EnginePool
from visapi_engine.process.protocol import Answer, Limits, Work

THREE = "do: [{a: {call: acme.noop, with: {n: '${ .n }'}}}, {b: {call: acme.noop}}, {c: {call: acme.noop}}]"
LOCAL = "do: [{a: {set: {n: '${ .n }'}}}]"
BRANCHES = "do: [{both: {fork: {branches: [{l: {call: acme.l}}, {r: {call: acme.r}}]}}}]"


class Programs:
    """Where the pool loads programs from; counts how often."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.loads: list[str] = []

    def add(self, body: str) -> Compiled:
        program = compiled(body)
        self.bodies[program.hash] = program.body
        return program

    async def load(self, program: str) -> bytes:
        self.loads.append(program)
        return self.bodies[program]


class Engine:
    """A pool of one process, its programs, and what it lost."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.programs = Programs()
        self.lost: list[str] = []
        self.pool = EnginePool(1, self.programs.load, limits, on_lost=self.lost.append)

    async def advance(self, *works: Work) -> dict[UUID, Answer]:
        found = {answer.run: answer async for answer in self.pool.advance(works)}
        put_off = [work for work in works if work.run not in found]
        return found | {answer.run: answer async for answer in self.pool.advance(put_off, apart=True)}

    async def start(self, body: str, value: object = None) -> Answer:
        work = self.begin(body, value)
        return (await self.advance(work))[work.run]

    def begin(self, body: str, value: object = None) -> Work:
        return starting(self.programs.add(body), value)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    await engine.pool.start()
    yield engine
    await engine.pool.stop()


def starting(program: Compiled, value: object = None) -> Work:
    run = uuid4()
    return work_of(run, program, Started(NOON, str(run), msgspec.json.encode(value)))


def work_of(run: UUID, program: Compiled, *events: Event, after: Answer | None = None) -> Work:
    state, seq = (None, 0) if after is None else (after.state, after.seq)
    return Work(run=run, tenant="default", program=program.hash, seq=seq, events=list(events), state=state)


def result(path: str, output: object = None) -> TaskCompleted:
    return TaskCompleted(NOON, path, 1, msgspec.json.encode(output))


async def test_a_run_goes_through_the_process_and_its_rows_come_back_encoded(engine: Engine) -> None:
    work = engine.begin(THREE, {"n": 1})
    program = engine.programs.add(THREE)
    first = (await engine.advance(work))[work.run]
    assert (first.status, first.started, first.ended, first.first_seq, first.seq) == (
        "running",
        True,
        False,
        1,
        3,
    )
    assert [(c.path, c.arguments) for c in first.commands if isinstance(c, CallTask)] == [
        ("/do/0/a", b'{"n":1}')
    ]
    items = msgspec.json.decode(first.items_json, type=list[HistoryItem])
    assert [(item.seq, item.type) for item in items] == [
        (1, "workflow.started"), (2, "task.created"), (3, "task.started")
    ]  # fmt: skip
    events = (result("/do/0/a"), result("/do/1/b"), result("/do/2/c", {"end": True}))
    last = (await engine.advance(work_of(work.run, program, *events, after=first)))[work.run]
    assert (last.status, last.ended, last.output, last.first_seq) == ("completed", True, b'{"end":true}', 4)
    assert all(isinstance(command, DropTask) for command in last.commands), (
        "calls made and done in one batch need no row"
    )


async def test_two_results_of_one_run_in_one_batch_give_the_same_in_either_order(engine: Engine) -> None:
    program = engine.programs.add(BRANCHES)
    left, right = (result(f"/do/0/both/fork/branches/{i}/{n}", n) for i, n in ((0, "l"), (1, "r")))
    outcomes: list[tuple[RunStatus, bytes | None]] = []
    for events in ((left, right), (right, left), (right, left, right, left)):
        begun = starting(program)
        first = (await engine.advance(begun))[begun.run]
        last = (await engine.advance(work_of(begun.run, program, *events, after=first)))[begun.run]
        outcomes.append((last.status, last.output))
    assert outcomes == [(RunStatus.COMPLETED, b'["l","r"]')] * 3


async def test_a_program_is_sent_once_to_a_process(engine: Engine) -> None:
    for n in range(5):
        await engine.start(LOCAL, {"n": n})
    assert len(engine.programs.loads) == 1


async def test_a_batch_of_many_runs_and_programs_is_answered_whole(engine: Engine) -> None:
    works = [engine.begin((LOCAL, THREE, BRANCHES)[n % 3], {"n": n}) for n in range(300)]
    answers = await engine.advance(*works)
    assert set(answers) == {work.run for work in works}
    assert engine.lost == []


async def test_a_refused_program_faults_its_runs_alone(engine: Engine) -> None:
    engine.programs.bodies["00"] = b'{"not": "a program"}'
    run = uuid4()
    bad = Work(run, "default", "00", 0, [Started(NOON, str(run), b"null")])
    good = engine.begin(LOCAL, {"n": 1})
    answers = await engine.advance(bad, good)
    assert answers[good.run].status is RunStatus.COMPLETED
    assert (answers[run].status, answers[run].ok) == (RunStatus.FAULTED, False)
    assert "refused" in (answers[run].killed or "")


async def test_a_run_too_heavy_for_its_first_try_completes_on_its_second() -> None:
    engine = Engine(Limits(first_cpu_ms=10, run_cpu_ms=10_000))
    await engine.pool.start()
    try:
        heavy = engine.begin("do: [{a: {set: {n: '${ [range(300000)] | length }'}}}]")
        light = engine.begin(LOCAL, {"n": 1})
        answers = await engine.advance(heavy, light)
        assert answers[heavy.run].output == b'{"n":300000}'
        assert answers[light.run].output == b'{"n":1}'
        assert engine.lost == ["deadline: over 10 ms of CPU time"]
    finally:
        await engine.pool.stop()


async def test_a_process_killed_in_the_middle_of_a_batch_costs_no_run_anything(engine: Engine) -> None:
    slow = "do: [{a: {set: {n: '${ [range(20000)] | length }'}}}]"
    works = [engine.begin(slow) for _ in range(60)]
    answers: dict[UUID, Answer] = {}
    async for answer in engine.pool.advance(works):
        if not answers:
            for pid in children(os.getpid()):
                os.kill(pid, signal.SIGKILL)
        answers[answer.run] = answer
    put_off = [work for work in works if work.run not in answers]
    assert len(put_off) <= 1, "the one that the process was at"
    answers |= await engine.advance(*put_off)
    assert len(answers) == len(works)
    assert {answer.output for answer in answers.values()} == {b'{"n":20000}'}
    assert engine.lost
    assert all("SIGKILL" in how for how in engine.lost)


async def test_idle_processes_that_died_are_replaced(engine: Engine) -> None:
    for pid in children(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    assert (await engine.start(LOCAL, {"n": 1})).output == b'{"n":1}'


async def test_a_process_that_hangs_is_replaced_and_no_run_is_blamed() -> None:
    engine = Engine(Limits(run_wall_ms=300, start_wall_ms=1000))
    await engine.pool.start()
    for pid in children(os.getpid()):
        os.kill(pid, signal.SIGSTOP)
    assert (await engine.start(LOCAL, {"n": 1})).output == b'{"n":1}'
    assert all("hung" in how for how in engine.lost)
    await engine.pool.stop()


async def test_a_process_that_hangs_in_the_middle_of_a_batch_puts_off_one_run_alone() -> None:
    engine = Engine(Limits(run_wall_ms=500, start_wall_ms=3000))
    await engine.pool.start()
    works = [engine.begin("do: [{a: {set: {n: '${ [range(20000)] | length }'}}}]") for _ in range(60)]
    answers: dict[UUID, Answer] = {}
    async for answer in engine.pool.advance(works):
        for pid in children(os.getpid()) if not answers else ():
            os.kill(pid, signal.SIGSTOP)
        answers[answer.run] = answer
    put_off = [work for work in works if work.run not in answers]
    assert len(put_off) == 1, "its neighbours went on"
    answers |= await engine.advance(*put_off)
    assert {answer.output for answer in answers.values()} == {b'{"n":20000}'}
    assert len(answers) == len(works)
    assert all("hung" in how for how in engine.lost)
    await engine.pool.stop()


async def test_a_run_that_ends_its_process_is_put_off_and_its_neighbours_are_not(engine: Engine) -> None:
    light = [engine.begin(LOCAL, {"n": n}) for n in range(20)]
    endless = engine.begin("do: [{a: {set: {n: '${ def f: f; f }'}}}]")
    batch = [*light[:10], endless, *light[10:]]
    answers = {answer.run async for answer in engine.pool.advance(batch)}
    assert answers == {work.run for work in light}


async def test_after_a_heavy_fold_the_runs_of_its_program_are_put_off() -> None:
    engine = Engine(Limits(first_cpu_ms=10_000))
    await engine.pool.start()
    heavy = "do: [{a: {set: {n: '${ [range(300000)] | length }'}}}]"
    first, second = engine.begin(heavy), engine.begin(heavy)
    assert [answer.run async for answer in engine.pool.advance([first])] == [first.run]
    assert [answer.run async for answer in engine.pool.advance([second])] == []
    (answer,) = [answer async for answer in engine.pool.advance([second], apart=True)]
    assert answer.output == b'{"n":300000}'
    assert engine.lost == []
    await engine.pool.stop()


async def test_a_reader_that_leaves_in_the_middle_leaves_a_working_pool(engine: Engine) -> None:
    works = [engine.begin("do: [{a: {set: {n: '${ [range(20000)] | length }'}}}]") for _ in range(100)]
    answers = engine.pool.advance(works)
    async for _ in answers:
        break
    await answers.aclose()
    assert (await engine.start(LOCAL, {"n": 1})).output == b'{"n":1}'


async def test_batches_at_the_same_time_take_turns(engine: Engine) -> None:
    works = [[engine.begin(LOCAL, {"n": n}) for _ in range(20)] for n in range(4)]
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(engine.advance(*batch)) for batch in works]
    assert [len(task.result()) for task in asked] == [20] * 4


async def test_the_process_has_nothing_but_its_socket(engine: Engine) -> None:
    environment, files, limits = belongings(children(os.getpid())[0])
    assert environment == b""
    assert all(target == "/dev/null" or target.startswith("socket:") for target in files)
    assert str(Limits().memory_bytes) in limits


async def test_stopping_leaves_no_process_behind() -> None:
    engine = Engine()
    await engine.pool.start()
    await engine.start(LOCAL, {"n": 1})
    await engine.pool.stop()
    assert children(os.getpid()) == []


def belongings(pid: int) -> tuple[bytes, list[str], str]:
    """The environment, the open files and the limits of a process."""
    place = Path(f"/proc/{pid}")
    files = [str(link.readlink()) for link in (place / "fd").iterdir()]
    return (place / "environ").read_bytes(), files, (place / "limits").read_text()


def children(parent: int) -> list[int]:
    """The engine processes of this process, by /proc."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(stat[1]) == parent and stat[0] != "Z" and b"visapi_engine.process.child" in command:
                found.append(int(entry.name))
    return found
