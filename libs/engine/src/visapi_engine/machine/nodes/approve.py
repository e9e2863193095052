"""`call: human.approve`: an approval is open until a person decides, or until its deadline passes.

An open approval occupies no process: it is a row, the decision arrives in the run's inbox, deadline and
escalation are timers. The notifying tasks are ordinary tasks within this task; an error that they do not
catch is an error of this task. The first decision counts; a rejection is an output.
"""

from typing import Annotated, Any, cast
from uuid import UUID

import msgspec

from visapi_common.core.approvals import ANYBODY, approval_id, link_digest, link_key
from visapi_engine.machine import paths
from visapi_engine.machine.commands import OpenApproval
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.evaluation import evaluate, instant, span
from visapi_engine.machine.events import Decided
from visapi_engine.machine.faults import TaskFault, runtime_fault, timeout_fault
from visapi_engine.machine.frames import Task
from visapi_engine.machine.nodes import retried
from visapi_engine.machine.outcomes import Completed, Faulted, Opened, Outcome
from visapi_engine.machine.state import ApproveFrame, Closing
from visapi_engine.model.catalog import APPROVER_RULE, may_approve
from visapi_engine.model.program import ApproveNode

FAULT = "fault"
DATA_MAX = 64 * 1024
"""Bytes of `data` as JSON; people read it."""
DECIDED, EXPIRED = "decided", "expired"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Choice = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class _Question(msgspec.Struct, rename="camel"):
    """The evaluated arguments (`model.catalog.APPROVE_INPUT`)."""

    title: Name
    text: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    data: Any = None
    choices: Annotated[list[Choice], msgspec.Meta(min_length=1, max_length=8)] = msgspec.field(
        default_factory=lambda: ["approve", "reject"]
    )
    approvers: Annotated[list[Name], msgspec.Meta(max_length=50)] = []
    on_deadline: str = FAULT


def begin(draft: Draft, task: Task, node: ApproveNode) -> Outcome:
    block = retried.block(draft, task.parent)
    if block is not None and task.path in block.memo:
        return Completed(block.memo[task.path], recalled=True)
    frame = _frame(draft, task, node)
    draft.open(task, frame)
    _ask(draft, task, frame)
    if node.notify is not None:
        draft.enter(node.notify, task, 0, task.input)
    return Opened()


def _frame(draft: Draft, task: Task, node: ApproveNode) -> ApproveFrame:
    """Raises `TaskFault` for invalid arguments."""
    asked = {
        key: evaluate(draft, inner, task, task.input, input=task.input)
        for key, inner in node.question.items()
    }
    if node.escalation is not None:
        more = evaluate(draft, node.escalation.approvers, task, task.input, input=task.input)
        asked["approvers"] = [*_listed(asked.get("approvers", [])), *_listed(more)]
    question = _checked(asked, node.pointer)
    shown = {
        "title": question.title,
        "text": question.text,
        "data": question.data,
        "choices": question.choices,
    }
    return ApproveFrame(
        approval=str(approval_id(UUID(draft.run), task.path)),
        shown=msgspec.Raw(msgspec.json.encode(shown)),
        choices=question.choices,
        approvers=list(dict.fromkeys(question.approvers)),
        on_deadline=question.on_deadline,
        asked=draft.now_ms,
        due=None if node.deadline is None else draft.now_ms + span(draft, node.deadline, task),
        escalate_at=None
        if node.escalation is None
        else draft.now_ms + span(draft, node.escalation.after, task),
        input=None if node.escalation is None and node.notify is None else task.input,
    )


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _checked(asked: dict[str, Any], pointer: str) -> _Question:
    try:
        question = msgspec.convert(asked, _Question)
    except msgspec.ValidationError as wrong:
        raise _refused(pointer, f"human.approve does not take this: {wrong}") from wrong
    if len(set(question.choices)) < len(question.choices):
        raise _refused(pointer, "two of the choices of human.approve are alike")
    if question.on_deadline not in (FAULT, *question.choices):
        allowed = ", ".join([FAULT, *question.choices])
        raise _refused(pointer, f"onDeadline is {question.on_deadline!r}; it must be one of {allowed}")
    taken = [name for name in question.approvers if not may_approve(name)]
    if taken:
        raise _refused(pointer, f"no approver can be called {taken[0]!r}: {APPROVER_RULE}")
    if len(msgspec.json.encode(question.data)) > DATA_MAX:
        raise _refused(pointer, f"the data of an approval has at most {DATA_MAX} bytes as JSON; show less")
    return question


def _refused(pointer: str, detail: str) -> TaskFault:
    return runtime_fault(pointer, "Question cannot be asked", detail)


def _ask(draft: Draft, task: Task, frame: ApproveFrame) -> None:
    """Open the approval and start its timers."""
    limits = [limit for limit in (frame.due, draft.frames.deadline_ms(task.path)) if limit is not None]
    approval = approval_id(UUID(draft.run), task.path)
    people = [ANYBODY, *frame.approvers]
    draft.commands.append(
        OpenApproval(
            path=task.path,
            approval=frame.approval,
            name=task.node.name,
            shown=bytes(frame.shown),
            approvers=people,
            keys=[link_digest(link_key(draft.handle_key, approval, person)).hex() for person in people],
            asked_ms=frame.asked,
            expires_ms=min(limits, default=None),
        )
    )
    if frame.due is not None:
        draft.set_timer(task.path, paths.DEADLINE, frame.due)
    if frame.escalate_at is not None:
        draft.set_timer(task.path, paths.ESCALATE, frame.escalate_at)


def reopen(draft: Draft, task: Task, frame: ApproveFrame) -> None:
    """Ask again in a retried run; links that people already have still work. A notification that the deadline
    had passed is followed by a new notification of the question.
    """
    expired = frame.closing is not None and frame.closing.state == EXPIRED
    frame.closing = None
    if expired and isinstance(task.node, ApproveNode):
        _begin_round(draft, task, task.node, frame)
    _ask(draft, task, frame)


def _begin_round(draft: Draft, task: Task, node: ApproveNode, frame: ApproveFrame) -> None:
    """The notifying tasks of another round are effects of their own. Tasks that are still open continue."""
    frame.rounds += 1
    goes_on = any(inner.parent == task.path for _, inner in draft.frames.items()) or any(
        step.parent == task.path for step in draft.agenda
    )
    if node.escalation is not None:
        frame.escalate_at = draft.now_ms + span(draft, node.escalation.after, task)
    if node.notify is not None and not goes_on:
        draft.enter(node.notify, task, frame.rounds, frame.input)


def child_completed() -> Outcome:
    """A notifying task completed; its output is ignored."""
    return Opened()


def timer_fired(draft: Draft, task: Task, node: ApproveNode, frame: ApproveFrame, kind: str) -> Outcome:
    if kind == paths.ESCALATE:
        frame.escalate_at = None
        draft.drop_timer(task.path, paths.ESCALATE)
        if node.escalation is not None:  # the run may have been retried under a version without one
            draft.enter(node.escalation.notify, task, frame.rounds, frame.input)
        return Opened()
    if frame.on_deadline == FAULT:
        frame.closing = Closing(EXPIRED, draft.now_ms, by="deadline")
        return Faulted(timeout_fault(node.pointer, "nobody decided before the deadline").error)
    return _decide(draft, task, frame, Closing(EXPIRED, draft.now_ms, frame.on_deadline, None, "deadline"))


def decided(draft: Draft, task: Task, frame: ApproveFrame, event: Decided) -> Outcome:
    """A person decided; the decision is one of the choices (`reactions`)."""
    closing = Closing(DECIDED, draft.now_ms, event.decision, event.comment, event.by)
    return _decide(draft, task, frame, closing)


def _decide(draft: Draft, task: Task, frame: ApproveFrame, closing: Closing) -> Outcome:
    frame.closing = closing
    draft.cancel_below(task.path)
    output = {
        "decision": closing.decision,
        "comment": closing.comment,
        "by": closing.by,
        "at": instant(closing.at)["iso8601"],
    }
    retried.remember(retried.block(draft, task.parent), task.path, output)
    return Completed(output)
