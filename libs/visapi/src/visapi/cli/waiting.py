"""What an open run waits for, derived from its history, its definition, and the announced functions."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from visapi.client import ApiError, Client, contents, operations
from visapi_common.contracts.runs import HistoryItem, RunStatus, RunView, TaskRef
from visapi_engine.compile.compiler import DefinitionInvalid, compile_definition
from visapi_engine.model import program as model

_ENDS = frozenset({"task.completed", "task.faulted", "task.cancelled", "task.skipped"})
_PAGES_MAX = 20
_SHOWN_MAX = 5
_PATIENCE = timedelta(seconds=10)
"""After so long without a result, the worker may not be running."""


class OpenTask(msgspec.Struct):
    """A task that began and did not end. Branches of a map share a pointer: `count` of them are open."""

    task: TaskRef
    since: datetime
    count: int = 1
    held: bool = False


class Definition:
    """What the tasks of a run are; what cannot be read (a missing scope, say) is told as unknown."""

    def __init__(self, program: model.Program | None, announced: frozenset[str] | None) -> None:
        self._program = program
        self._announced = announced

    def reason(self, open_task: OpenTask, now: datetime, *, begun: bool = False) -> str | None:
        """What a task waits for; None of one that is not known to wait. Of a task that has only `begun`,
        the ordinary wait for a result is not told.
        """
        if open_task.held:
            return "a decision about an uncertain effect; see `visapi dead-letter list`"
        node = None if self._program is None else self._program.nodes.get(open_task.task.pointer)
        match node:
            case model.WaitNode():
                return _timer(node.duration, open_task.since)
            case model.ListenNode():
                return _events(node.to)
            case model.ApproveNode():
                return "a decision; see `visapi approval list`"
            case model.CallNode() if not begun or self._nobody_serves(node.function):
                return self._worker(node.function, now - open_task.since)
            case model.TryNode() if not begun:
                return "the time of its next attempt"
            case model.RunNode() if not begun:
                return f"a run of {node.namespace}/{node.workflow}; see `visapi run list --parent RUN`"
            case _:
                return None

    def _nobody_serves(self, function: str) -> bool:
        return self._announced is not None and function not in self._announced

    def _worker(self, function: str, asked: timedelta) -> str:
        if self._nobody_serves(function):
            return f"a worker for {function}; no worker has announced that function"
        doubt = "; is its worker running?" if asked > _PATIENCE else ""
        return f"the result of {function}{doubt}"


def definition_of(client: Client, run: RunView) -> Definition:
    """The definition of a run's version, and the functions that its tenant may call."""
    workflow = run.workflow
    try:
        source = client.send(contents.get_source(workflow.namespace, workflow.name, workflow.version))
        program = compile_definition(source, operations.YAML).program
        announced = frozenset(one.name for one in client.send(contents.list_functions()).items)
    except (ApiError, DefinitionInvalid):
        return Definition(None, None)
    return Definition(program, announced)


def waits(client: Client, run: RunView) -> list[str]:
    """A line for each thing that an open run waits for."""
    if run.status is RunStatus.SUSPENDED:
        return ["somebody who resumes it: `visapi run resume RUN`"]
    if run.status is RunStatus.PENDING:
        return ["its start; under flow control, its turn: `visapi limits`"]
    definition, now = definition_of(client, run), datetime.now(UTC)
    lines: list[str] = []
    for one in open_tasks(_history(client, str(run.id))):
        reason = definition.reason(one, now)
        if reason is not None:
            times = f" ({one.count} times)" if one.count > 1 else ""
            lines.append(f"{one.task.name}{times}: {reason}")
    rest = len(lines) - _SHOWN_MAX
    return lines if rest <= 0 else [*lines[:_SHOWN_MAX], f"and {rest} more"]


def open_tasks(items: Iterable[HistoryItem]) -> list[OpenTask]:
    """The innermost tasks that are open, in the order in which they began."""
    found: dict[str, OpenTask] = {}
    for item in items:
        if item.task is None:
            continue
        known = found.get(item.task.pointer)
        if item.type == "task.started":
            if known is None:
                found[item.task.pointer] = OpenTask(item.task, item.time)
            else:
                known.count += 1
        elif known is None:
            continue
        elif item.type in ("task.suspended", "task.resumed"):
            known.held = item.type == "task.suspended"
        elif item.type in _ENDS:
            known.count -= 1
            if known.count == 0:
                del found[item.task.pointer]
    return [one for one in found.values() if not _has_open_child(one, found)]


def _has_open_child(one: OpenTask, found: Iterable[str]) -> bool:
    return any(pointer.startswith(f"{one.task.pointer}/") for pointer in found)


def _history(client: Client, run: str) -> Sequence[HistoryItem]:
    items: list[HistoryItem] = []
    cursor = None
    for _ in range(_PAGES_MAX):
        page = client.send(operations.get_history(run, cursor=cursor))
        items += page.items
        cursor = page.next
        if cursor is None:
            break
    return items


def _timer(duration: model.Duration, since: datetime) -> str:
    if duration.ms is None:
        return "a timer"
    return f"a timer, until {since + timedelta(milliseconds=duration.ms):%Y-%m-%d %H:%M:%S} UTC"


def _events(wanted: model.Consumption) -> str:
    types = [one.attributes.get("type") for one in wanted.filters]
    named = [str(one.value) for one in types if isinstance(one, model.Literal)]
    return f"an event of type {' or '.join(named)}" if named else "an event"
