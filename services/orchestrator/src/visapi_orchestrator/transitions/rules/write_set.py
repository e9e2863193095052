"""The columns that one batch writes, ready for `unnest`: lists of equal length per relation.

The hot relations are written by one statement; rarer ones by a second (`has_rest`), what concerns
other runs and events by a third (`has_family`), questions to people by a fourth (`has_approvals`), all
in one transaction. Every row names its run, and is written only if that run was really updated.
"""

from dataclasses import dataclass, field, fields
from uuid import UUID

from visapi_orchestrator.transitions.rules.flow import Ask, Leave

_OWNERS = {"children": "parent", "told": "source"}
"""The column that names the run a row belongs to, where it is not `run`."""


def _uuids() -> list[UUID]:
    return []


def _texts() -> list[str]:
    return []


def _ints() -> list[int]:
    return []


def _blobs() -> list[bytes]:
    return []


@dataclass(slots=True)
class Live:
    """Runs that go on."""

    run: list[UUID] = field(default_factory=_uuids)
    revision: list[int] = field(default_factory=_ints)
    status: list[str] = field(default_factory=_texts)
    seq: list[int] = field(default_factory=_ints)
    state: list[bytes] = field(default_factory=_blobs)


@dataclass(slots=True)
class Ended:
    """Runs that are over."""

    run: list[UUID] = field(default_factory=_uuids)
    revision: list[int] = field(default_factory=_ints)
    status: list[str] = field(default_factory=_texts)
    seq: list[int] = field(default_factory=_ints)
    output: list[bytes | None] = field(default_factory=list[bytes | None])
    error: list[bytes | None] = field(default_factory=list[bytes | None])
    resume: list[bytes | None] = field(default_factory=list[bytes | None])


@dataclass(slots=True)
class History:
    run: list[UUID] = field(default_factory=_uuids)
    first_seq: list[int] = field(default_factory=_ints)
    last_seq: list[int] = field(default_factory=_ints)
    items: list[bytes] = field(default_factory=_blobs)


@dataclass(slots=True)
class NewTasks:
    run: list[UUID] = field(default_factory=_uuids)
    path: list[str] = field(default_factory=_texts)
    attempt: list[int] = field(default_factory=_ints)
    function: list[str] = field(default_factory=_texts)
    effect_key: list[str] = field(default_factory=_texts)
    token: list[str] = field(default_factory=_texts)
    message: list[bytes] = field(default_factory=_blobs)
    held: list[bool] = field(default_factory=list[bool])


@dataclass(slots=True)
class Keys:
    """Rows to delete by (run, key)."""

    run: list[UUID] = field(default_factory=_uuids)
    key: list[str] = field(default_factory=_texts)

    def add(self, run: UUID, key: str) -> None:
        self.run.append(run)
        self.key.append(key)


@dataclass(slots=True)
class NewTimers:
    run: list[UUID] = field(default_factory=_uuids)
    id: list[str] = field(default_factory=_texts)
    fire_at_ms: list[int] = field(default_factory=_ints)


@dataclass(slots=True)
class Letters:
    """Dead letters to open. `held` says that the task's row stays, as `uncertain`."""

    run: list[UUID] = field(default_factory=_uuids)
    tenant: list[str] = field(default_factory=_texts)
    path: list[str] = field(default_factory=_texts)
    attempt: list[int] = field(default_factory=_ints)
    function: list[str] = field(default_factory=_texts)
    reason: list[str] = field(default_factory=_texts)
    detail: list[str] = field(default_factory=_texts)
    held: list[bool] = field(default_factory=list[bool])


@dataclass(slots=True)
class Closed:
    """Dead letters that a decision closes."""

    run: list[UUID] = field(default_factory=_uuids)
    path: list[str] = field(default_factory=_texts)
    actor: list[str] = field(default_factory=_texts)
    decision: list[str] = field(default_factory=_texts)


@dataclass(slots=True)
class Recorded:
    run: list[UUID] = field(default_factory=_uuids)
    revision: list[int] = field(default_factory=_ints)
    events: list[bytes] = field(default_factory=_blobs)


@dataclass(slots=True)
class Attributes:
    """Search attributes that changed: all of a run's, as a JSON object."""

    run: list[UUID] = field(default_factory=_uuids)
    revision: list[int] = field(default_factory=_ints)
    values: list[str] = field(default_factory=_texts)


@dataclass(slots=True)
class Children:
    """Runs to start."""

    id: list[UUID] = field(default_factory=_uuids)
    parent: list[UUID] = field(default_factory=_uuids)
    parent_path: list[str | None] = field(default_factory=list[str | None])
    tenant: list[str] = field(default_factory=_texts)
    namespace: list[str] = field(default_factory=_texts)
    name: list[str] = field(default_factory=_texts)
    version: list[str] = field(default_factory=_texts)
    program: list[str] = field(default_factory=_texts)
    trace: list[str | None] = field(default_factory=list[str | None])
    input: list[bytes] = field(default_factory=_blobs)
    priority: list[int] = field(default_factory=_ints)
    root: list[UUID | None] = field(default_factory=list[UUID | None])
    depth: list[int] = field(default_factory=_ints)
    heard: list[bool] = field(default_factory=list[bool])

    def keep(self, places: list[int]) -> None:
        """Keep the children at these places alone."""
        for column in fields(self):
            values = getattr(self, column.name)
            values[:] = [values[at] for at in places]


@dataclass(slots=True)
class Told:
    """Rows for inboxes; `source` is the run whose transition tells."""

    source: list[UUID] = field(default_factory=_uuids)
    run: list[UUID] = field(default_factory=_uuids)
    key: list[str] = field(default_factory=_texts)
    tenant: list[str] = field(default_factory=_texts)
    kind: list[str] = field(default_factory=_texts)
    body: list[bytes] = field(default_factory=_blobs)


@dataclass(slots=True)
class Subscriptions:
    run: list[UUID] = field(default_factory=_uuids)
    path: list[str] = field(default_factory=_texts)
    n: list[int] = field(default_factory=_ints)
    tenant: list[str] = field(default_factory=_texts)
    shape: list[str] = field(default_factory=_texts)
    key: list[bytes] = field(default_factory=_blobs)


@dataclass(slots=True)
class Emitted:
    """Events to bring into the world."""

    run: list[UUID] = field(default_factory=_uuids)
    tenant: list[str] = field(default_factory=_texts)
    source: list[str] = field(default_factory=_texts)
    id: list[str] = field(default_factory=_texts)
    type: list[str] = field(default_factory=_texts)
    body: list[bytes] = field(default_factory=_blobs)


@dataclass(slots=True)
class Asked:
    """Questions to people; `approvers` and `keys` are JSON arrays."""

    run: list[UUID] = field(default_factory=_uuids)
    tenant: list[str] = field(default_factory=_texts)
    id: list[str] = field(default_factory=_texts)
    path: list[str] = field(default_factory=_texts)
    workflow: list[str] = field(default_factory=_texts)
    task: list[str] = field(default_factory=_texts)
    shown: list[bytes] = field(default_factory=_blobs)
    approvers: list[str] = field(default_factory=_texts)
    keys: list[str] = field(default_factory=_texts)
    asked_ms: list[int] = field(default_factory=_ints)
    expires_ms: list[int | None] = field(default_factory=list[int | None])


@dataclass(slots=True)
class Answered:
    """Questions that are over."""

    run: list[UUID] = field(default_factory=_uuids)
    tenant: list[str] = field(default_factory=_texts)
    id: list[str] = field(default_factory=_texts)
    state: list[str] = field(default_factory=_texts)
    decision: list[str | None] = field(default_factory=list[str | None])
    comment: list[str | None] = field(default_factory=list[str | None])
    decided_by: list[str | None] = field(default_factory=list[str | None])
    at_ms: list[int] = field(default_factory=_ints)


@dataclass(slots=True)
class Roots:
    run: list[UUID] = field(default_factory=_uuids)


@dataclass(slots=True)
class WriteSet:
    live: Live = field(default_factory=Live)
    ended: Ended = field(default_factory=Ended)
    history: History = field(default_factory=History)
    new_tasks: NewTasks = field(default_factory=NewTasks)
    gone_tasks: Keys = field(default_factory=Keys)
    new_timers: NewTimers = field(default_factory=NewTimers)
    gone_timers: Keys = field(default_factory=Keys)
    inbox: Keys = field(default_factory=Keys)
    letters: Letters = field(default_factory=Letters)
    closed: Closed = field(default_factory=Closed)
    recorded: Recorded = field(default_factory=Recorded)
    attributes: Attributes = field(default_factory=Attributes)
    children: Children = field(default_factory=Children)
    told: Told = field(default_factory=Told)
    cancelled: Keys = field(default_factory=Keys)
    """Tasks that the failure of a run cancels which could be retried."""
    given_up: Keys = field(default_factory=Keys)
    """Tasks of runs that go on which nobody waits for any longer, though they have not been answered."""
    subscriptions: Subscriptions = field(default_factory=Subscriptions)
    gone_subscriptions: Keys = field(default_factory=Keys)
    emitted: Emitted = field(default_factory=Emitted)
    asked: Asked = field(default_factory=Asked)
    answered: Answered = field(default_factory=Answered)
    unheard: Keys = field(default_factory=Keys)
    """Decisions on these questions that the run has not been told of, should there be any."""
    cancelled_roots: Roots = field(default_factory=Roots)
    """Roots that end because they were cancelled: their descendants must obey."""
    unseen: Roots = field(default_factory=Roots)
    """Runs that were given up, perhaps while they waited under flow control."""
    asks: list[Ask] = field(default_factory=list[Ask])
    leaves: list[Leave] = field(default_factory=list[Leave])

    @property
    def needs_transaction(self) -> bool:
        """Whether more than the one statement of most transitions is needed."""
        rare = self.has_rest or self.has_family or self.has_flow or self.has_approvals
        given = self.attributes.run or self.cancelled.run or self.cancelled_roots.run or self.unseen.run
        return rare or bool(given) or bool(self.given_up.run)

    @property
    def has_flow(self) -> bool:
        """Whether a run wants to begin, or ends, under flow control."""
        return bool(self.asks or self.leaves)

    def drop(self, runs: frozenset[UUID]) -> None:
        """Take out everything that belongs to some runs."""
        self.asks = [ask for ask in self.asks if ask.run not in runs]
        self.leaves = [leave for leave in self.leaves if leave.run not in runs]
        for relation in fields(self):
            rows = getattr(self, relation.name)
            owner = _OWNERS.get(relation.name, "run")
            if relation.name in ("asks", "leaves"):
                continue
            kept = [at for at, run in enumerate(getattr(rows, owner)) if run not in runs]
            for column in fields(rows):
                values = getattr(rows, column.name)
                values[:] = [values[at] for at in kept]

    @property
    def has_rest(self) -> bool:
        """Whether the second, rarer statement is needed."""
        return bool(self.inbox.run or self.letters.run or self.closed.run or self.recorded.run)

    @property
    def has_family(self) -> bool:
        """Whether others are concerned: children, parents, events."""
        return bool(
            self.children.id
            or self.told.run
            or self.subscriptions.run
            or self.gone_subscriptions.run
            or self.emitted.run
        )

    @property
    def has_approvals(self) -> bool:
        """Whether people are asked, or no longer."""
        return bool(self.asked.run or self.answered.run)
