"""Dead letters that a transition opens, and dead letters that a decision closes."""

from collections.abc import Iterator
from uuid import UUID

from visapi_common.core.failures import storable
from visapi_engine.machine.commands import HoldTask
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.machine_events import resolutions_of
from visapi_orchestrator.transitions.rules.step import Step

UNCERTAIN = "uncertain"
POISON = "poison"
ENGINE_KILLED = "engine-killed"
_DETAIL_MAX = 10_000
_POISON_TITLE = "Poison task"
"""The title under which the worker kit answers for a task it refuses to run again."""


class NewDeadLetter(Row, frozen=True, kw_only=True):
    """`held` says that the task's row stays, as `uncertain`. The store gives the id."""

    id: UUID | None = None
    tenant: str
    path: str
    attempt: int
    function: str
    workflow: str | None = None
    """`namespace/name`"""
    reason: str
    detail: str
    held: bool


class ResolvedDeadLetter(Row, frozen=True):
    path: str
    actor: str
    decision: str


def new_dead_letters(step: Step) -> Iterator[NewDeadLetter]:
    for command in step.answer.commands:
        if isinstance(command, HoldTask):
            detail = command.detail or "nobody knows whether the effect happened"
            yield _dead_letter(step, (command.path, command.attempt, command.function), UNCERTAIN, detail)
    for result in step.messages.results:
        if result.error is not None and result.error.title == _POISON_TITLE:
            detail = result.error.detail or "delivered over and over without an answer"
            yield _dead_letter(step, (result.path, result.attempt, ""), POISON, detail)
    if not step.answer.ok:
        detail = f"the run ended its engine process twice ({step.answer.killed}); it was faulted"
        yield _dead_letter(step, ("", 0, ""), ENGINE_KILLED, detail)


def resolved_dead_letters(step: Step) -> list[ResolvedDeadLetter]:
    if not step.snapshot.inbox:
        return []
    return [
        ResolvedDeadLetter(step.snapshot.run, decided.path, decided.actor, decided.decision)
        for decided in resolutions_of(step.snapshot)
        if decided.path is not None and decided.decision is not None
    ]


def _dead_letter(step: Step, task: tuple[str, int, str], reason: str, detail: str) -> NewDeadLetter:
    path, attempt, function = task
    workflow = step.snapshot.workflow
    return NewDeadLetter(
        run=step.snapshot.run,
        tenant=step.snapshot.tenant,
        path=path,
        attempt=attempt,
        function=function,
        workflow=f"{workflow.namespace}/{workflow.name}",
        reason=reason,
        detail=storable(detail, _DETAIL_MAX),
        held=reason == UNCERTAIN,
    )
