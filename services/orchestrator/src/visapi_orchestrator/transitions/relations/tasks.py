"""Open tasks: those that a transition adds or replaces, removes, cancels or abandons."""

from visapi_engine.machine.commands import CallTask, DropTask
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.step import Step


class NewTask(Row, frozen=True):
    """`held`: enough tasks of the function lie in its stream; the task is sent later."""

    path: str
    attempt: int
    function: str
    effect_key: str
    token: str
    message: bytes
    held: bool


class TaskKey(Row, frozen=True):
    path: str


def new_tasks(step: Step) -> list[NewTask]:
    run = step.snapshot.run
    return [
        NewTask(
            run=run,
            path=task.path,
            attempt=task.attempt,
            function=task.function,
            effect_key=task.effect_key,
            token=task.token,
            message=task.body,
            held=task.held,
        )
        for task in step.tasks
    ]


def removed_tasks(step: Step) -> list[TaskKey]:
    run = step.snapshot.run
    return [TaskKey(run, command.path) for command in step.answer.commands if isinstance(command, DropTask)]


def abandoned_tasks(step: Step) -> list[TaskKey]:
    """Tasks whose attempt has no answer, and whose answer the run no longer waits for."""
    abandoned: list[TaskKey] = []
    for command in step.answer.commands:
        match command:
            case CallTask(gave_up=True) | DropTask(cancelled=True):
                abandoned.append(TaskKey(step.snapshot.run, command.path))
            case _:
                continue
    return abandoned


def cancelled_tasks(step: Step) -> list[TaskKey]:
    """Tasks that are cancelled by the failure of a run that could be retried."""
    if not step.answer.retryable:
        return []
    run = step.snapshot.run
    return [
        TaskKey(run, command.path)
        for command in step.answer.commands
        if isinstance(command, DropTask) and command.cancelled
    ]
