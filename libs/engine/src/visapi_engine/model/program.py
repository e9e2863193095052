"""The compiled form of a definition: a flat program whose nodes are named by JSON pointer.

A program is data. It is stored by its hash, sent once to each engine process, and holds
everything that the machine needs to advance a run; the machine never reads the source.
"""

from typing import Any

import msgspec

from visapi_common.contracts.formats import written
from visapi_engine.model.program_settings import Attribute, Concurrency, RateLimit, Settings
from visapi_engine.model.values import Jq, Literal, Record, Sequence, Template
from visapi_engine.schedule.decisions import Schedule

__all__ = [
    "Attribute",
    "Concurrency",
    "Jq",
    "Literal",
    "RateLimit",
    "Record",
    "Sequence",
    "Settings",
    "Template",
]
"""What is defined elsewhere and belongs to a program."""

# ---- what every task may carry


class Validated(msgspec.Struct, frozen=True):
    """A JSON Schema (2020-12) for a value, and its place in the definition."""

    schema: dict[str, Any] | bool
    pointer: str


class Flow(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where to go after a task: `continue`, `exit`, `end`, or the pointer of a sibling in `goto`."""

    directive: str = "continue"
    goto: str | None = None


class Common(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts shared by all tasks (dsl-reference, Task). Absent means the specification's default."""

    when: Template | None = None
    input_schema: Validated | None = None
    input_from: Template | None = None
    output_as: Template | None = None
    output_schema: Validated | None = None
    export_as: Template | None = None
    export_schema: Validated | None = None
    timeout: "Duration | None" = None
    then: Flow = Flow()
    metadata: dict[str, Any] = {}


class Duration(msgspec.Struct, frozen=True, omit_defaults=True):
    """A span of time: constant milliseconds, or an expression that yields one (object, ISO 8601)."""

    ms: int | None = None
    expression: Template | None = None


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True):
    """`kind` is constant, linear or exponential; `factor` and `max_delay_ms` are extensions of VisAPI."""

    kind: str = "constant"
    factor: float = 2.0
    max_delay_ms: int | None = None


class Retry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A retry policy (dsl-reference, Retry). Absent limits mean unlimited."""

    when: Template | None = None
    except_when: Template | None = None
    delay: Duration = Duration(ms=0)
    backoff: Backoff = Backoff()
    attempts: int | None = None
    attempt_duration: Duration | None = None
    total_duration: Duration | None = None
    jitter_from: Duration | None = None
    jitter_to: Duration | None = None


class ErrorFilter(msgspec.Struct, frozen=True, omit_defaults=True):
    """The filter `catch.errors.with`; every given field must be equal (`error_types.same_type`)."""

    type: str | None = None
    status: int | None = None
    title: str | None = None
    detail: str | None = None
    instance: str | None = None


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """One case of a `switch`; no `when` means the default case."""

    name: str
    then: Flow
    when: Template | None = None


class Correlation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A value that events of one listener share: `source` is evaluated on the event, `expect` when the
    listener starts; without `expect` the first value found counts.
    """

    source: Template
    expect: Template | None = None


class EventFilter(msgspec.Struct, frozen=True, omit_defaults=True):
    """The attributes of an event (none: any event), and its correlations by name."""

    attributes: dict[str, Template] = {}
    correlations: dict[str, Correlation] = {}


class Consumption(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event consumption strategy: `mode` is one, any or all (dsl-reference, Event Consumption Strategy).

    `until` and `until_events` end an `any`; without either its first event does.
    """

    mode: str
    filters: list[EventFilter]
    until: Template | None = None
    until_events: "Consumption | None" = None


class Iterator(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tasks and transformations for each consumed event (dsl-reference, Subscription Iterator)."""

    item: str = "item"
    at: str = "index"
    children: list[str] = []
    output_as: Template | None = None
    output_schema: Validated | None = None
    export_as: Template | None = None
    export_schema: Validated | None = None


# ---- nodes; `children` and bodies are pointers in order


class _Node(msgspec.Struct, frozen=True, kw_only=True):
    pointer: str
    name: str
    parent: str | None
    common: Common


class DoNode(_Node, frozen=True, tag="do"):
    children: list[str]


class SetNode(_Node, frozen=True, tag="set"):
    value: Template


class CallNode(_Node, frozen=True, tag="call", omit_defaults=True):
    """A call of a function; `call: http` is the function `http.request`."""

    function: str
    arguments: Template
    on_uncertain: str = "hold"
    function_version: str | None = None
    scheme: str | None = None
    """The scheme of the call's authentication: the value of `$authorization.scheme`."""
    on_retry: str | None = None
    """In a retried block: `repeat`, `remember`, or None: repeat the call if it was a read."""


class Escalation(msgspec.Struct, frozen=True):
    """When an approval goes to more approvers, and to whom; `notify` is the pointer of a `do`."""

    after: Duration
    notify: str
    approvers: Template = Literal([])


class ApproveNode(_Node, frozen=True, tag="approve", omit_defaults=True):
    """`call: human.approve`: `question` is what people see, `notify` is the pointer of the notifying `do`."""

    question: dict[str, Template]
    notify: str | None = None
    deadline: Duration | None = None
    escalation: Escalation | None = None


class SwitchNode(_Node, frozen=True, tag="switch"):
    cases: list[Case]


class ForkNode(_Node, frozen=True, tag="fork"):
    branches: list[str]
    compete: bool


class TryNode(_Node, frozen=True, tag="try", omit_defaults=True):
    children: list[str]
    errors: ErrorFilter | None = None
    error_as: str = "error"
    when: Template | None = None
    except_when: Template | None = None
    retry: Retry | None = None
    catch_children: list[str] = []
    catch_then: Flow | None = None


class RaiseNode(_Node, frozen=True, tag="raise"):
    error: Template


class WaitNode(_Node, frozen=True, tag="wait"):
    duration: Duration


class ForNode(_Node, frozen=True, tag="for", omit_defaults=True):
    items: Template
    children: list[str]
    each: str = "item"
    at: str = "index"
    condition: Template | None = None


class EmitNode(_Node, frozen=True, tag="emit"):
    """`event` gives the attributes that the definition states."""

    event: Template


class ListenNode(_Node, frozen=True, tag="listen", omit_defaults=True):
    """`read` is data, envelope or raw."""

    to: Consumption
    read: str = "data"
    foreach: Iterator | None = None


class MapNode(_Node, frozen=True, tag="map", omit_defaults=True):
    """`call: flow.map`: `each` is executed for every item; `part` starts the run of a part of a large map.

    `first` is the index of the first item if the map is itself a part.
    """

    each: str
    items: Template
    part: str | None = None
    concurrency: Template = Literal(10)
    tolerate: Template = Literal(0)
    first: Template = Literal(0)


class RunNode(_Node, frozen=True, tag="run", omit_defaults=True):
    """`run: workflow`. Without `input` the child gets the input of the task; a `silent` task has no output.

    `program` is the hash of a part of this workflow version; the run then executes that part.
    """

    namespace: str
    workflow: str
    version: str
    input: Template | None = None
    awaited: bool = True
    silent: bool = False
    on_retry: str = "remember"
    program: str | None = None


class ExtendNode(_Node, frozen=True, tag="extend", omit_defaults=True):
    """A task with one extension around it. The node does not appear in the history.

    `common` holds only the `if` of the task; the task itself, at `target`, has the rest.
    """

    target: str
    when: Template | None = None
    before: list[str] = []
    after: list[str] = []


Node = (
    DoNode
    | SetNode
    | CallNode
    | ApproveNode
    | SwitchNode
    | ForkNode
    | TryNode
    | RaiseNode
    | WaitNode
    | ForNode
    | EmitNode
    | ListenNode
    | RunNode
    | MapNode
    | ExtendNode
)


class Program(msgspec.Struct, frozen=True, omit_defaults=True):
    """A whole definition. `children` are the pointers of the top-level tasks."""

    namespace: str
    name: str
    version: str
    children: list[str]
    nodes: dict[str, Node]
    document: dict[str, Any]
    """The `document` section, for `$workflow.definition`."""
    input_schema: Validated | None = None
    input_from: Template | None = None
    output_as: Template | None = None
    output_schema: Validated | None = None
    timeout: Duration | None = None
    settings: Settings | None = None
    definition: dict[str, Any] | None = None
    """The whole document, if an expression reads `$workflow.definition`."""
    definitions: dict[str, Any] = {}
    """The tasks as written, by pointer, if an expression reads `$task`."""
    schedule: Schedule | None = None
    schedule_on: Consumption | None = None
    secrets: list[list[str]] = []
    """The secrets that expressions use, each as its name and members."""
    quiet: bool = False
    """Its runs keep no history. Set for the listeners of schedules."""
    v: int = 1
    """The format; 1 is left out."""


def encode_program(program: Program) -> bytes:
    """Deterministic bytes: the same program always has the same hash."""
    return msgspec.json.encode(msgspec.structs.replace(program, v=written().program), order="deterministic")


_decoder = msgspec.json.Decoder(Program)


def decode_program(body: bytes) -> Program:
    """Read a stored program. Raises `msgspec.ValidationError` for a version this release cannot read."""
    return _decoder.decode(body)
