"""The stored state of a run: its open work, never its finished outputs.

A frame is one open activation of one task, under its path. Tasks that end within the transition
that began them (`set`, `switch`, `raise`) leave no frame. State names JSON pointers only, so a
later release reads it against the same program.

A transition that has begun many tasks stops: the tasks still to begin are on the `agenda`, and a
timer that is due at once begins them in the next transition.
"""

from typing import Any

import msgspec

from visapi_common.contracts.formats import written
from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.large_values import Structure
from visapi_engine.machine.events import Told
from visapi_engine.model.program import Flow


class _Frame(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind"):
    """`parent` is the path of the enclosing frame, `started` and `timeout_at` Unix milliseconds.

    `input` is the transformed input and `raw` the raw one, kept only where they are read again.
    """

    parent: str = ""
    started: int = 0
    input: Any = None
    raw: Any = None
    timeout_at: int | None = None


class DoFrame(_Frame, tag="do"):
    """A sequence of tasks: the workflow itself (path ``""``) or a `do`.

    `round` counts the backward jumps taken within it: a child's place in the iteration vector.
    """

    round: int = 0


class CallFrame(_Frame, tag="call"):
    """A task that a worker executes; `held` while its outcome is uncertain and an operator must decide.

    `arguments` are kept because all attempts at an effect must have the same arguments.
    """

    attempt: int
    arguments: msgspec.Raw
    held: bool = False


class Closing(msgspec.Struct, frozen=True, array_like=True):
    """How an approval ended: decided, expired or cancelled, at `at` (Unix milliseconds)."""

    state: str
    at: int
    decision: str | None = None
    comment: str | None = None
    by: str | None = None


class ApproveFrame(_Frame, tag="approve"):
    """An approval that waits for a decision. `shown` is what people see, as JSON; `due` and `escalate_at`
    are Unix milliseconds and count from `asked`. `closing` is set while the approval ends. `rounds` counts
    how often the question was asked anew.
    """

    approval: str
    shown: msgspec.Raw
    choices: list[str]
    asked: int
    approvers: list[str] = []
    on_deadline: str = "fault"
    due: int | None = None
    escalate_at: int | None = None
    closing: Closing | None = None
    rounds: int = 0


class WaitFrame(_Frame, tag="wait"):
    due: int


class ForkFrame(_Frame, tag="fork"):
    """`outputs` holds what finished branches produced, by pointer; `skipped` those that never ran."""

    outputs: dict[str, Any] = {}
    skipped: list[str] = []


class TryFrame(_Frame, tag="try"):
    """A `try`: running its block, waiting to retry it (`retry_at`), or in its handler (`error`).

    `retries` counts retries of the block. In the outermost open `try` with a retry policy, `memo` holds
    the outputs of completed effects by path, which no retry repeats; `attempts` holds the number of attempts
    by path; `repetitions` holds how often each task completed that a retry repeats (reads).
    """

    round: int = 0
    retries: int = 0
    retry_at: int | None = None
    attempt_at: int | None = None
    error: WorkflowError | None = None
    memo: dict[str, Any] = {}
    attempts: dict[str, int] = {}
    repetitions: dict[str, int] = {}


class ForFrame(_Frame, tag="for"):
    """A loop in its iteration `index`. `round` counts iterations and backward jumps together, so that
    each activation of a task in the loop has its own path.
    """

    items: msgspec.Raw
    count: int
    index: int = 0
    round: int = 0


class ListenFrame(_Frame, tag="listen"):
    """A listener: the events that it expects, has consumed, and has yet to process.

    `expected` holds the attributes of each filter that were known when the listener started, `matched`
    the filters of an `all` that have their event; `until_*` hold the same for the strategy that ends the
    listener. `queue` holds consumed events that `foreach` has not processed yet, `current` the event that
    it processes now; with `closing` the listener consumes no more events.
    """

    expected: list[dict[str, Any]]
    matched: list[int] = []
    until_expected: list[dict[str, Any]] = []
    until_matched: list[int] = []
    correlations: dict[str, Any] = {}
    consumed: list[Any] = []
    queue: list[Any] = []
    current: Any = None
    busy: bool = False
    closing: bool = False
    round: int = 0


class ChildFrame(_Frame, tag="child"):
    """A task that waits for the end of a child run; `resume_count` counts how often the child was resumed."""

    child: str
    resume_count: int = 0


class ItemFailure(msgspec.Struct, frozen=True):
    """A failed item of a map, with its error."""

    index: int
    error: WorkflowError


class MapFrame(_Frame, tag="map"):
    """A map. Without parts `waiting` holds the list of all `count` items, else those of each part to begin.

    `next` is the number of the next item or part, `open` the number of items or parts in progress, and
    `width` its limit; `within` is that limit inside a part, 0 without parts. `done` holds the result of each
    item, or the list of results of each part.
    """

    count: int
    first: int
    tolerated: int
    width: int
    within: int
    waiting: list[msgspec.Raw]
    next: int = 0
    open: int = 0
    done: dict[int, msgspec.Raw] = {}
    failed: list[ItemFailure] = []


class ExtendFrame(_Frame, tag="extend"):
    """A task within an extension: `stage` is before, task or after; `output` and `flow` are the task's."""

    stage: str = "before"
    round: int = 0
    output: Any = None
    flow: Flow | None = None


Frame = (
    DoFrame
    | CallFrame
    | ApproveFrame
    | WaitFrame
    | ForkFrame
    | TryFrame
    | ForFrame
    | ListenFrame
    | ChildFrame
    | MapFrame
    | ExtendFrame
)


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """A task to begin: its pointer, its path, the path of the frame it belongs to, its raw input."""

    pointer: str
    path: str
    parent: str
    raw: Any


class Failed(msgspec.Struct, omit_defaults=True):
    """The task whose error ended a run, and how a retry resumes the task.

    `enter`: the task begins anew with its raw input. `reopen`: the frame is restored, and its open work is
    requested again. `finish`: the body had ended with `output`; the steps after the body are repeated.
    """

    pointer: str
    path: str
    parent: str
    how: str
    raw: Any = None
    output: Any = None


class ResumePoint(msgspec.Struct, omit_defaults=True):
    """A faulted run as it stood when its task failed, at `at` (Unix milliseconds)."""

    failed: Failed
    at: int
    frames: dict[str, Frame] = {}
    agenda: list[Pending] = []


class Admission(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run needs before it may begin (flow control): a slot under its key, and room under its rate key.

    Keys are the JSON text of what their expressions gave. `limit` and `rate_limit` of 0 are none.
    """

    priority: int = 5
    key: str = ""
    limit: int = 0
    on_limit: str = "queue"
    rate_key: str = ""
    rate_limit: int = 0
    period_ms: int = 0


class State(msgspec.Struct, omit_defaults=True):
    """One run between two transitions. `frames` is in order of entry: a parent before its children.

    `input` (the run's own) and `context` are kept only when the program reads them; `deferred` holds
    the events on which a suspended run will act when it is resumed.
    """

    run: str
    started: int
    status: RunStatus = RunStatus.RUNNING
    frames: dict[str, Frame] = {}
    context: Any = None
    input: Any = None
    deferred: list[Told] = []
    agenda: list[Pending] = []
    slices: int = 0
    """Transitions in a row that ended with an agenda."""
    steps: int = 0
    """Tasks that began in those transitions."""
    attempts: dict[str, int] = {}
    """Attempts at tasks before the run was retried, by path; a task that begins anew counts on from there."""
    resume_count: int = 0
    """The number of the last request of the parent run to resume this run (`RetryRequested`)."""
    resume: ResumePoint | None = None
    """Of a faulted run: where a retry resumes it. None if the run cannot be retried."""
    attributes: dict[str, Any] = {}
    """Search attributes, kept only when some of them are evaluated again."""
    admission: Admission | None = None
    """Of a workflow with flow control."""
    overruns: int = 0
    """Expressions that exceeded their budget so far."""
    v: int = 1
    """The format; 1 is left out."""


_FRAMES: Structure = {
    "*": {
        "queue": {},
        "error": {},
        "failed": {"*": {"error": {}}},
        "attempts": None,
        "repetitions": None,
        "closing": None,
    }
}
_AGENDA: Structure = {"*": {}}
STRUCTURE: Structure = {
    "frames": _FRAMES,
    "agenda": _AGENDA,
    "deferred": {"*": {}},
    "resume": {"frames": _FRAMES, "agenda": _AGENDA, "failed": {}},
    "attributes": {},
    "attempts": None,
    "admission": None,
}
"""The parts of a state that stay in its row and can be decoded without the values stored elsewhere. Lists
that lose members at their beginning (a queue, the agenda) are among them: all their pieces would change.
"""

_decoder = msgspec.json.Decoder(State)
_encoder = msgspec.json.Encoder()


def decode_state(body: bytes) -> State:
    """Read `runs.state`. Unknown fields are ignored, so that releases can roll."""
    return _decoder.decode(body)


def encode_state(state: State) -> bytes:
    """The bytes of `runs.state`; the same state always gives the same bytes."""
    state.v = written().state
    return _encoder.encode(state)
