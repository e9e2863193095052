"""A run's position in its family, and the bounds of the family.

The family of a root run is every run that it caused: by `run: workflow`, by the parts of a `flow.map`, or
through an event that a schedule listens for. All of them count towards the bounds of the root. A run at the
greatest depth starts no run, and emits no event that could start one. The ledger alone knows how many
descendants are open; after it has refused a transition, `room` says how many runs may be started.
"""

from typing import Any, cast
from uuid import UUID

import msgspec

from visapi_common.contracts.problems import standard_error
from visapi_common.core.cloudevents import HOOK_ATTRIBUTE, HOPS_ATTRIBUTE, ROOT_ATTRIBUTE
from visapi_engine.machine.faults import TaskFault, located

DEPTH_MAX = 32


class Lineage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run without a `root` is a root itself. `room` is None unless the ledger refused a transition."""

    root: str | None = None
    depth: int = 0
    depth_max: int = DEPTH_MAX
    room: int | None = None
    refused: str = ""
    """Why the ledger refused."""


class Kinship:
    """The lineage of a run during a transition; counts the runs that the transition starts."""

    def __init__(self, run: UUID | str, lineage: Lineage) -> None:
        self._run = run
        self._lineage = lineage
        self._started = 0

    @property
    def root(self) -> str:
        return self._lineage.root or str(self._run)

    @property
    def next_depth(self) -> int:
        return self._lineage.depth + 1

    def start(self, pointer: str) -> None:
        """Count one more started run. Raises `TaskFault` if it would exceed a bound."""
        self._check_depth(pointer, "runs a workflow")
        room = self._lineage.room
        if room is not None and self._started >= room:
            detail = f"{self._lineage.refused}; start it later, or cancel run {self.root} to end all of them"
            raise _refused(pointer, 429, "Too many open runs", detail)
        self._started += 1

    def emit(self, pointer: str, event: dict[str, Any]) -> dict[str, Any]:
        """The event with the lineage that its runs will have; no run names a hook. Raises `TaskFault`."""
        self._check_depth(pointer, "emits an event")
        sent = {**event, ROOT_ATTRIBUTE: self.root, HOPS_ATTRIBUTE: self.next_depth}
        sent.pop(HOOK_ATTRIBUTE, None)
        return sent

    def follows(self, descent: "Descent") -> bool:
        """Whether a run of this descent may be started."""
        return descent.depth <= self._lineage.depth_max

    def _check_depth(self, pointer: str, what: str) -> None:
        known = self._lineage
        if known.depth >= known.depth_max:
            detail = (
                f"the run {what}, but is {known.depth} levels below run {self.root}: no run may be deeper; "
                "end the recursion earlier, or raise VISAPI_FAMILY_DEPTH_MAX"
            )
            raise _refused(pointer, 400, "Run nested too deeply", detail)


_FAR = 32_767


class Descent(msgspec.Struct, frozen=True):
    """The root and the depth of a run that events start; no root if no run emitted them."""

    root: str | None
    depth: int


def descent_of(events: Any) -> Descent:
    """The descent of a run from the events that start it; the deepest event counts."""
    found = Descent(None, 0)
    for event in cast("list[Any]", events) if isinstance(events, list) else []:
        if not isinstance(event, dict):
            continue
        attributes = cast("dict[str, Any]", event)
        root, hops = attributes.get(ROOT_ATTRIBUTE), attributes.get(HOPS_ATTRIBUTE)
        if isinstance(hops, int) and not isinstance(hops, bool) and found.depth < hops:
            found = Descent(root if _is_id(root) else None, min(hops, _FAR))
    return found


def _is_id(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def _refused(pointer: str, status: int, title: str, detail: str) -> TaskFault:
    return TaskFault(located(standard_error("runtime", status, title=title, detail=detail), pointer))
