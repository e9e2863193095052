"""What travels between the orchestrator and an engine process: a 4-byte big-endian length, then msgpack.

The parent sends ("down") programs, once per hash, and batches of work, one at a time; the process sends
("up") answers, several to a frame, and the end of the batch. Everything a row needs is encoded by the child
already: the orchestrator writes `state` and `items_json` without looking inside.
"""

from uuid import UUID

import msgspec

from visapi_common.contracts.runs import RunStatus
from visapi_engine.machine.collections import StoredCollections
from visapi_engine.machine.commands import Command
from visapi_engine.machine.events import (
    ChildEnded,
    Event,
    EventArrived,
    Resolved,
    RetryRequested,
    Started,
    TaskCompleted,
)
from visapi_engine.machine.lineage import Lineage
from visapi_engine.machine.state import Admission
from visapi_engine.simulation.dry_run import SimulationInput

_MIB = 1024 * 1024
HEAVY_S = 0.01
"""CPU time of a fold that delays others; most take less than a thirtieth of it."""


class Work(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run and its events, in order. A run is in a batch once.

    `program` is the SHA-256 of the compiled program in hex; `state` the bytes of `runs.state`
    (None before the first transition, then the first event is `Started`); `seq` the last number
    used in its history.
    """

    run: UUID
    tenant: str
    program: str
    seq: int
    events: list[Event]
    state: bytes | None = None
    handle_key: bytes = b""
    """Signs the handles of this run's secrets; it is never stored."""
    lineage: Lineage | None = None
    """The run's place in its family; None: nothing bounds the runs that it starts."""
    collected: StoredCollections = StoredCollections()
    """The collections of a schedule that its last answer wanted."""

    @property
    def size(self) -> int:
        """The number of bytes to read."""
        size = len(self.state or b"") + sum(len(body or b"") for body in self.collected.stored.values())
        for event in self.events:
            size += _payload(event)
        return size


def _payload(event: Event) -> int:
    match event:
        case TaskCompleted() | ChildEnded() | Resolved():
            return len(event.output or b"")
        case Started() | RetryRequested():
            return len(event.input or b"")
        case EventArrived():
            return len(event.event)
        case _:
            return 0


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The run after its events. Every event was consumed, or is among `noted` and changed nothing.

    `commands` hold at most one command per task path and one per timer id: the last one given,
    which is all that the rows need. `items_json` is a JSON array of `HistoryItem`, numbered
    `first_seq` to `seq`; when it is empty `first_seq` is `seq + 1`. `output` or `error`
    (a `WorkflowError`) is JSON and set when the run `ended` so.
    """

    run: UUID
    status: RunStatus
    state: bytes
    first_seq: int
    seq: int
    commands: list[Command] = []
    items_json: bytes = b"[]"
    output: bytes | None = None
    error: bytes | None = None
    started: bool = False
    """These events began the run: `started_at` is due."""
    ended: bool = False
    admission: Admission | None = None
    """Only with flow control: what the run needs to begin, and gives back when it ends."""
    begins: bool = False
    """With this transition the run begins, or is resumed: it needs its admission."""
    retryable: bool = False
    """The run failed, or was cancelled as its parent failed, and its state says where it can be resumed."""
    resume_count: int = 0
    """See `State.resume_count`."""
    attributes: bytes | None = None
    """All search attributes of the run as a JSON object, where they changed."""
    wanted: list[str] = []
    """Keys of collections that the events concern and that were not given: the rest of the answer is void."""
    noted: list[str] = []
    """Why events changed nothing: late, repeated, of no concern. For logs and counters."""
    overruns: int = 0
    """Expressions that exceeded their budget in this fold."""
    cpu_ms: int = 0
    """CPU time that the fold took, where it took far more than most do (`HEAVY_S`)."""
    ok: bool = True
    """False when the engine, not the workflow, is why the run faulted (see `killed`)."""
    killed: str | None = None
    """How the run killed its process each time it was tried, or why its program is refused."""


class Budget(msgspec.Struct, frozen=True):
    """A CPU time, and how much each MiB of input adds to it. libjq takes 60 to 100 ms to read, filter and
    write a MiB on the machine that the other limits were measured on.
    """

    cpu_ms: int
    cpu_ms_per_mib: int = 250

    def seconds(self, size: int) -> float:
        """For an input of `size` bytes."""
        return (self.cpu_ms + self.cpu_ms_per_mib * size / _MIB) / 1000


class Limits(msgspec.Struct, frozen=True):
    """Bounds of an engine process. A run that passes one is given a second chance alone, in which each of
    its expressions has a process and a budget of its own; if it ends its process again, it faults.
    """

    first_cpu_ms: int = 100
    """CPU time one run may use in a batch when it is first tried; the kernel ends the process then.
    Its neighbours wait no longer than this for a run that never ends."""
    run_cpu_ms: int = 250
    """The same for its second chance, alone, for each expression in that, and for each transition of a
    simulation."""
    cpu_ms_per_mib: int = 250
    """How much the size of the input adds to each of these times."""
    run_wall_ms: int = 2_000
    """Wall-clock time without any answer after which the process counts as hung and is replaced. The machine
    causes this (a run cannot wait), so it does not count against a run.
    """
    simulate_wall_ms: int = 10_000
    """The same for a whole simulation; each of its transitions has the CPU time of a run."""
    load_wall_ms: int = 5_000
    """The same for compiling a program's expressions."""
    memory_bytes: int = 512 * 1024 * 1024
    """RLIMIT_AS of the process. An expression in a process of its own has up to twice as much, by the size
    of its input."""
    programs: int = 1_000
    """Programs one process holds compiled; a process that holds more is replaced."""
    start_wall_ms: int = 15_000
    """Wall-clock time a process may take to start and import everything."""


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Down: a compiled program, as stored."""

    hash: str
    body: bytes


class Batch(msgspec.Struct, frozen=True, tag="batch"):
    """Down: work whose programs were all sent before, with the CPU time for each. `guarded`: each expression
    that libjq evaluates has a process and a budget of its own.
    """

    works: list[Work]
    budget: Budget
    guarded: bool = False


class Simulate(msgspec.Struct, frozen=True, tag="simulate"):
    """Down: a program to carry out in virtual time (`visapi_engine.simulation`); it is not kept."""

    body: bytes
    wanted: SimulationInput
    budget: Budget = Budget(250)
    guarded: bool = False


Down = Load | Batch | Simulate


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Up: the process is warm and its limits are in force."""


class Loaded(msgspec.Struct, frozen=True, tag="loaded", omit_defaults=True):
    """Up: a program is compiled; `refused` says why it could not be."""

    hash: str
    refused: str | None = None


class AnswerBatch(msgspec.Struct, frozen=True, tag="answers"):
    """Up: some answers of the batch, in the batch's order."""

    answers: list[Answer]


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """Up: an expression with a process of its own is still being evaluated."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Up: the batch is answered whole."""


class Crashed(msgspec.Struct, frozen=True, tag="crashed"):
    """Up, the last word of a process that a bug ends: the kind of exception, and where."""

    where: str


class Simulated(msgspec.Struct, frozen=True, tag="simulated", omit_defaults=True):
    """Up: a `contracts.simulation.Simulation` as JSON; `refused` says why there is none."""

    body: bytes
    refused: str | None = None


Up = Ready | Loaded | AnswerBatch | Alive | Done | Crashed | Simulated
