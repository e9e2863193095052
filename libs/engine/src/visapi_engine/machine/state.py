"""The stored state of a run: what is open, never what is finished (DESIGN section 5).

A frame is one open activation of one task, under its path. Tasks that end within the transition
that began them (`set`, `switch`, `raise`) leave no frame. State names JSON pointers only, so a
later release reads it against the same program.

A transition that has begun many tasks stops in between: what it was still to begin is on the
`agenda`, and a timer that is due at once takes it up again.
"""

from typing import Any

import msgspec

from visapi_common.contracts.problems import WorkflowError
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.large_values import Structure
from visapi_engine.machine.events import Told
from visapi_engine.model.program import Flow

STATE_VERSION = 1


class _Frame(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind"):
    """`parent` is the path of the enclosing frame, `started` and `timeout_at` Unix milliseconds.

    `input` is the transformed input and `raw` the raw one, kept only where something reads them again.
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
    """A task given to a worker; `held` when its outcome is uncertain and somebody must decide.

    `arguments` are kept because another attempt at the same effect must ask for the same.
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
    """A question that waits for people. `shown` is what they see, as JSON; `due` and `escalate_at` are
    Unix milliseconds, `asked` is what they count from. `closing` is set while it ends.
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


class WaitFrame(_Frame, tag="wait"):
    due: int


class ForkFrame(_Frame, tag="fork"):
    """`outputs` holds what finished branches produced, by pointer; `skipped` those that never ran."""

    outputs: dict[str, Any] = {}
    skipped: list[str] = []


class TryFrame(_Frame, tag="try"):
    """A `try`: running its block, waiting to retry it (`retry_at`), or in its handler (`error`).

    `retries` counts retries of the block. Where this is the outermost open `try` that retries,
    `memo` holds the outputs of tasks that completed under their effect path and are not repeated by any
    retry, `attempts` the attempts made under each path, and `repetitions` how often each path completed
    that is to be done again (reads). All end with the frame.
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
    each activation of a task in it has a path of its own.
    """

    items: msgspec.Raw
    count: int
    index: int = 0
    round: int = 0


class ListenFrame(_Frame, tag="listen"):
    """A listener: what it wants, what it has consumed, what waits to be worked on.

    `expected` holds the attributes of each filter that were known when it started, `matched` the
    filters of an `all` that have their event; `until_*` the same of the strategy that ends it.
    `queue` are consumed events that wait for their turn in `foreach`, `current` the one whose turn it
    is; `closing` says that nothing more is to be consumed.
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
    """A task that waits for the end of another run, which was asked so often to go on after it had ended."""

    child: str
    resume_count: int = 0


class ItemFailure(msgspec.Struct, frozen=True):
    """An item of a map that failed, and how."""

    index: int
    error: WorkflowError


class MapFrame(_Frame, tag="map"):
    """A map. Without parts `waiting` holds the list of all `count` items, else those of each part to begin.

    `next` is the number of the item or part that is begun next, `open` how many are under way and `width`
    how many may be; `within` is how many items a part has under way at once, 0 without parts. `done` holds
    the result of each item, or the list of the results of each part.
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
    """The task whose error ended a run, and how it is taken up again.

    `enter`: it is begun anew with its raw input. `reopen`: its frame is as it was, what was under way in
    it is asked for again. `finish`: its body had ended with `output`; what follows is done again.
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
    """What a run needs before it may begin (flow control): a slot under its key, its turn under its rate key.

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

    `input` (the run's own) and `context` are kept only when the program reads them; `deferred` is
    what a suspended run was told and will act on when it is resumed.
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
    """Tasks that began in these."""
    attempts: dict[str, int] = {}
    """Attempts made at tasks before the run was retried, by path; what is begun anew counts on from there."""
    resume_count: int = 0
    """How often the run that waits for this one has asked that it go on, when it had ended."""
    resume: ResumePoint | None = None
    """Of a faulted run: where it can be taken up again, if it can."""
    attributes: dict[str, Any] = {}
    """Search attributes, kept only when some of them are evaluated again."""
    admission: Admission | None = None
    """Of a workflow with flow control."""
    overruns: int = 0
    """Expressions that exceeded their budget so far."""
    v: int = STATE_VERSION


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
"""What of a state stays in its row, and can be decoded without the values that are taken out of it. What
loses members at its beginning (a queue, the agenda) stands here too: its pieces would all be new each time.
"""

_decoder = msgspec.json.Decoder(State)
_encoder = msgspec.json.Encoder()


def decode_state(body: bytes) -> State:
    """Read `runs.state`. Unknown fields are ignored, so that releases can roll."""
    return _decoder.decode(body)


def encode_state(state: State) -> bytes:
    """The bytes of `runs.state`; the same state always gives the same bytes."""
    return _encoder.encode(state)
