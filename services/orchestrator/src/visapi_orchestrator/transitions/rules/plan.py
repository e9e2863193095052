"""From the engine's answers to the rows of one transaction and what is published after it. Pure.

One `Step` per run holds everything that depends on that run alone, so that a step whose
compare-and-set failed, or whose row PostgreSQL refused, is dropped or repeated by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from visapi_common.contracts.engine_messages import InboxKind
from visapi_common.contracts.runs import RunStatus
from visapi_common.core.failures import storable
from visapi_engine.machine.commands import CallTask, DropTask, DropTimer, HoldTask, SetTimer
from visapi_engine.machine.events import EngineFailed, Event
from visapi_engine.process.protocol import Answer
from visapi_orchestrator.kernel.rules.messages import Said
from visapi_orchestrator.transitions.rules.flow import ask_of, leave_of
from visapi_orchestrator.transitions.rules.machine_events import resolutions_of
from visapi_orchestrator.transitions.rules.outgoing_tasks import Outgoing
from visapi_orchestrator.transitions.rules.plan_approvals import plan_approvals
from visapi_orchestrator.transitions.rules.plan_related import plan_family
from visapi_orchestrator.transitions.rules.related import Family
from visapi_orchestrator.transitions.rules.snapshot import Facts
from visapi_orchestrator.transitions.rules.write_set import WriteSet

_encode = msgspec.json.Encoder().encode

UNCERTAIN = "uncertain"
POISON = "poison"
ENGINE_KILLED = "engine-killed"
_DETAIL_MAX = 10_000
_POISON_TITLE = "Poison task"
"""The title under which the worker kit answers for a task it refuses to run again."""


@dataclass(slots=True)
class Step:
    """One run's transition: what was said, what was known, what the engine answered.

    The payload columns, tasks and small documents are prepared before planning, because packing large
    values needs the artifact store.
    """

    said: Said
    facts: Facts
    events: list[Event]
    answer: Answer
    output: bytes | None = None
    tasks: list[Outgoing] = field(default_factory=list[Outgoing])
    family: Family | None = None
    """What concerns others, where anything does."""
    trace: str | None = None
    """The traceparent of this transition, for whoever works on its tasks."""
    small_state: bytes | None = None
    small_items: bytes | None = None
    """State and history as their rows take them, where large values were taken out."""
    refused: str | None = None
    """Why it cannot be written: a value of it is larger than any may be."""

    @property
    def stored_state(self) -> bytes:
        return self.answer.state if self.small_state is None else self.small_state

    @property
    def changes(self) -> bool:
        """Whether anything must be written; if not, and the facts were read, it was all said before."""
        answer = self.answer
        return bool(
            answer.ended
            or answer.seq != self.facts.seq
            or answer.commands
            or self.facts.inbox
            or self.said.timers
            or answer.state != self.facts.state
        )


def plan(steps: Iterable[Step], *, record: bool) -> WriteSet:
    """The rows of all steps. Sorted by run, so that two orchestrators lock rows in the same order."""
    rows = WriteSet()
    for step in sorted(steps, key=_by_run):
        _plan_run(rows, step)
        if not step.answer.ended:
            _plan_open_work(rows, step)
        _plan_letters(rows, step)
        asks, leaves = ask_of(step.facts, step.answer), leave_of(step.facts, step.answer)
        if asks is not None:
            rows.asks.append(asks)
        if leaves is not None:
            rows.leaves.append(leaves)
        elif step.answer.ended and given_up(step):
            rows.unseen.run.append(step.facts.run)
        if step.family is not None:
            plan_family(rows, step.facts, step.family)
            plan_approvals(rows, step.facts, step.family)
        if record:
            rows.recorded.run.append(step.facts.run)
            rows.recorded.revision.append(step.facts.revision)
            rows.recorded.events.append(_encode(step.events))
    return rows


def given_up(step: Step) -> bool:
    """Whether the run ended without its program having had a say."""
    return not step.answer.ok or any(isinstance(event, EngineFailed) for event in step.events)


def _by_run(step: Step) -> bytes:
    return step.facts.run.bytes


def _plan_run(rows: WriteSet, step: Step) -> None:
    facts, answer = step.facts, step.answer
    if answer.ended:
        ended = rows.ended
        ended.run.append(facts.run)
        ended.revision.append(facts.revision)
        ended.status.append(answer.status)
        ended.seq.append(answer.seq)
        ended.output.append(step.output)
        ended.error.append(answer.error)
        ended.resume.append(step.stored_state if answer.retryable else None)
        if answer.status is RunStatus.CANCELLED and facts.root is None:
            rows.cancelled_roots.run.append(facts.run)
        for row in facts.inbox:
            # A parent's asking that was heard is done with; one that was not outlives the run.
            if row.kind is InboxKind.RETRY:
                rows.inbox.add(facts.run, row.key)
        for command in answer.commands if answer.retryable else []:
            if isinstance(command, DropTask) and command.cancelled:
                rows.cancelled.add(facts.run, command.path)
    else:
        live = rows.live
        live.run.append(facts.run)
        live.revision.append(facts.revision)
        live.status.append(answer.status)
        live.seq.append(answer.seq)
        live.state.append(step.stored_state)
    if answer.attributes is not None:
        rows.attributes.run.append(facts.run)
        rows.attributes.revision.append(facts.revision)
        rows.attributes.values.append(answer.attributes.decode())
    if answer.seq >= answer.first_seq:
        history = rows.history
        history.run.append(facts.run)
        history.first_seq.append(answer.first_seq)
        history.last_seq.append(answer.seq)
        history.items.append(answer.items_json if step.small_items is None else step.small_items)


def _plan_open_work(rows: WriteSet, step: Step) -> None:
    run = step.facts.run
    new = rows.new_tasks
    for task in step.tasks:
        new.run.append(run)
        new.path.append(task.path)
        new.attempt.append(task.attempt)
        new.function.append(task.function)
        new.effect_key.append(task.effect_key)
        new.token.append(task.token)
        new.message.append(task.body)
        new.held.append(task.held)
    _plan_given_up(rows, step)
    set_now: set[str] = set()
    for command in step.answer.commands:
        match command:
            case DropTask():
                rows.gone_tasks.add(run, command.path)
            case SetTimer():
                set_now.add(command.id)
                rows.new_timers.run.append(run)
                rows.new_timers.id.append(command.id)
                rows.new_timers.fire_at_ms.append(command.fire_at_ms)
            case DropTimer():
                set_now.add(command.id)
                rows.gone_timers.add(run, command.id)
            case _:
                continue
    for timer in step.said.timers:
        if timer.id not in set_now:
            set_now.add(timer.id)
            rows.gone_timers.add(run, timer.id)
    for row in step.facts.inbox:
        rows.inbox.add(run, row.key)


def _plan_given_up(rows: WriteSet, step: Step) -> None:
    """Tasks for whose attempt nobody waits any longer, though it has not been answered."""
    for command in step.answer.commands:
        match command:
            case CallTask(gave_up=True) | DropTask(cancelled=True):
                rows.given_up.add(step.facts.run, command.path)
            case _:
                continue


def _plan_letters(rows: WriteSet, step: Step) -> None:
    run = step.facts.run
    for command in step.answer.commands:
        if isinstance(command, HoldTask):
            detail = command.detail or "nobody knows whether the effect happened"
            _letter(rows, step, (command.path, command.attempt, command.function), UNCERTAIN, detail)
    for result in step.said.results:
        if result.error is not None and result.error.title == _POISON_TITLE:
            detail = result.error.detail or "delivered over and over without an answer"
            _letter(rows, step, (result.path, result.attempt, ""), POISON, detail)
    if not step.answer.ok:
        detail = f"the run ended its engine process twice ({step.answer.killed}); it was faulted"
        _letter(rows, step, ("", 0, ""), ENGINE_KILLED, detail)
    for decided in resolutions_of(step.facts):
        if decided.path is not None and decided.decision is not None:
            rows.closed.run.append(run)
            rows.closed.path.append(decided.path)
            rows.closed.actor.append(decided.actor)
            rows.closed.decision.append(decided.decision)


def _letter(rows: WriteSet, step: Step, task: tuple[str, int, str], reason: str, detail: str) -> None:
    letters = rows.letters
    letters.run.append(step.facts.run)
    letters.tenant.append(step.facts.tenant)
    letters.path.append(task[0])
    letters.attempt.append(task[1])
    letters.function.append(task[2])
    letters.reason.append(reason)
    letters.detail.append(storable(detail, _DETAIL_MAX))
    letters.held.append(reason == UNCERTAIN)


def silent(said: Said, facts: Facts, events: list[Event]) -> Step:
    """Nothing was said after all (a hint whose rows are consumed): the run stays as it is."""
    assert facts.state is not None
    answer = Answer(
        run=facts.run, status=facts.status, state=facts.state, first_seq=facts.seq + 1, seq=facts.seq
    )
    return Step(said, facts, events, answer)
