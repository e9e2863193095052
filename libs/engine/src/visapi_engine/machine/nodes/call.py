"""`call`: a task for a worker, under an effect path that is the same for all its retries.

See docs/explanation/effects-and-uncertainty.md.

The outermost `try` with a retry policy remembers completed effects and the number of attempts by
path: a completed effect is not repeated; a failed one is, as the next attempt at the same effect.
A retry repeats reads, which have no effect.
"""

from typing import Any

import msgspec

from visapi_common.contracts.engine_messages import Decision
from visapi_common.contracts.problems import ERROR_BASE, WorkflowError, standard_error
from visapi_engine.compile.functions import HTTP_FUNCTION
from visapi_engine.machine import history
from visapi_engine.machine.commands import CallTask, DropTask, HoldTask
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate
from visapi_engine.machine.events import TaskFaulted, TaskUncertain
from visapi_engine.machine.faults import located, plain, read_error, runtime_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.nodes import retried
from visapi_engine.machine.outcomes import Completed, Faulted, Opened, Outcome
from visapi_engine.machine.state import CallFrame
from visapi_engine.machine.values import UnreadableValue, read_json
from visapi_engine.model.error_types import same_type
from visapi_engine.model.program import CallNode

CLOSE_MS = 1_000
"""How long before a timeout a worker may report that its time is over: its clock may differ."""
_TIMEOUT = ERROR_BASE + "timeout"
SAFE_METHODS = frozenset({"get", "head", "options"})


class _Request(msgspec.Struct, frozen=True):
    """The members of an HTTP request's arguments that are read here."""

    method: Any = None


def begin(draft: Draft, task: Task, node: CallNode) -> Outcome:
    block = retried.block(draft, task.parent)
    if block is not None and task.path in block.memo:
        return Completed(block.memo[task.path], recalled=True)
    arguments = evaluate(draft, node.arguments, task, task.input, input=task.input)
    attempt = retried.next_attempt(draft, block, task.path)
    frame = CallFrame(attempt=attempt, arguments=msgspec.Raw(msgspec.json.encode(arguments)))
    draft.open(task, frame)
    _issue(draft, task, node, frame)
    return Opened()


def _issue(
    draft: Draft, task: Task, node: CallNode, frame: CallFrame, *, on_uncertain: str | None = None
) -> None:
    block = retried.block(draft, task.parent)
    retried.attempted(block, task.path, frame.attempt)
    deadline_ms = draft.frames.deadline_ms(task.path)
    draft.commands.append(
        CallTask(
            path=task.path,
            attempt=frame.attempt,
            function=node.function,
            name=node.name,
            pointer=node.pointer,
            arguments=bytes(frame.arguments),
            on_uncertain=on_uncertain or node.on_uncertain,
            function_version=node.function_version,
            deadline_ms=deadline_ms,
            repetition=retried.repetition(block, task.path),
            own_deadline_ms=None if deadline_ms is None else draft.frames.own_deadline_ms(task.path),
        )
    )


def completed(
    draft: Draft, task: Task, node: CallNode, frame: CallFrame, *, output: bytes, read: bool = False
) -> Outcome:
    """The worker's output. One that cannot be read is a runtime error of the task.

    `read`: the worker reports that the call had no effect.
    """
    draft.commands.append(DropTask(task.path))
    try:
        value = read_json(output)
    except UnreadableValue as unreadable:
        detail = f"the worker's output is no JSON: {unreadable}"
        return Faulted(runtime_fault(task.node.pointer, "Unreadable output", detail).error)
    block = retried.block(draft, task.parent)
    if block is None:
        return Completed(value)
    if node.on_retry == "repeat" or (node.on_retry is None and (read or _reads(node, frame))):
        retried.repeat(block, task.path)
    else:
        retried.remember(block, task.path, value)
    return Completed(value)


def _reads(node: CallNode, frame: CallFrame) -> bool:
    """Whether the call is an HTTP request with a safe method (RFC 9110, 9.2.1)."""
    if node.function != HTTP_FUNCTION:
        return False
    method = msgspec.json.decode(frame.arguments, type=_Request).method
    return isinstance(method, str) and method.lower() in SAFE_METHODS


def left_to_timer(draft: Draft, event: TaskFaulted | TaskUncertain) -> bool:
    """Whether a worker reports a timeout that the timer of the run is about to raise.

    The timer decides: it raises the error on time, at the task whose timeout it is. For the same reason no
    uncertain effect is repeated just before the deadline.
    """
    deadline = draft.frames.deadline_ms(event.path)
    if deadline is None or event.now_ms < deadline - CLOSE_MS:
        return False
    if isinstance(event, TaskUncertain):
        node = draft.frames.node_at(event.path)
        return isinstance(node, CallNode) and node.on_uncertain == "retry"
    return event.now_ms >= deadline or same_type(read_error(event.error, "").type, _TIMEOUT)


def faulted(draft: Draft, task: Task, error: bytes) -> Outcome:
    draft.commands.append(DropTask(task.path))
    return Faulted(read_error(error, task.node.pointer))


def uncertain(draft: Draft, task: Task, node: CallNode, frame: CallFrame, error: bytes | None) -> Outcome:
    """Hold the task until an operator decides, unless the definition says to repeat it (`onUncertain`)."""
    if node.on_uncertain == "retry":
        return _again(draft, task, node, frame)
    frame.held = True
    data = {} if error is None else {"error": plain(read_error(error, node.pointer))}
    draft.note(history.TASK_SUSPENDED, node, {"reason": "uncertain", **data})
    draft.commands.append(hold(task.path, node, frame.attempt, error))
    return Opened()


def hold(path: str, node: CallNode, attempt: int, error: bytes | None) -> HoldTask:
    """The command that keeps an uncertain task, with the reason that its worker gave."""
    reason = None if error is None else read_error(error, node.pointer)
    detail = None if reason is None else reason.detail or reason.title
    return HoldTask(path, attempt, node.function, detail)


def resolved(
    draft: Draft, task: Task, node: CallNode, frame: CallFrame, *, decision: Decision, output: bytes | None
) -> Outcome:
    """Act on an operator's decision about a held task."""
    frame.held = False
    draft.note(history.TASK_RESUMED, node, {"decision": decision.value})
    match decision:
        case Decision.HAPPENED:
            return completed(draft, task, node, frame, output=output or b"null")
        case Decision.RETRY:
            return _again(draft, task, node, frame)
        case Decision.FAULT:
            draft.commands.append(DropTask(task.path))
            return Faulted(located(_UNCERTAIN, node.pointer))


_UNCERTAIN: WorkflowError = standard_error(
    "communication",
    500,
    title="Outcome uncertain",
    detail="Nobody knows whether the effect happened; it was decided to treat it as failed.",
)


def _again(draft: Draft, task: Task, node: CallNode, frame: CallFrame) -> Outcome:
    """Repeat what may have happened already; the message says that this was decided."""
    reopen(draft, task, node, frame, on_uncertain="retry")
    return Opened()


def reopen(
    draft: Draft, task: Task, node: CallNode, frame: CallFrame, *, on_uncertain: str | None = None
) -> None:
    """Ask again, with the same arguments under the same effect key, as the next attempt."""
    frame.attempt += 1
    draft.note(history.TASK_RETRIED, node, {"attempt": frame.attempt})
    _issue(draft, task, node, frame, on_uncertain=on_uncertain)
