"""Runs that go on, and runs that end. An ended run moves from `runs` to `runs_done`."""

from visapi_common.contracts.runs import RunStatus
from visapi_orchestrator.transitions.relations.rows import Row
from visapi_orchestrator.transitions.rules.step import Step


class LiveRun(Row, frozen=True):
    """A run that goes on, at the revision at which it was read."""

    revision: int
    status: str
    seq: int
    state: bytes


class EndedRun(Row, frozen=True):
    """A run that ended. `resume` is its state, kept where the run can be retried."""

    revision: int
    status: str
    seq: int
    output: bytes | None
    error: bytes | None
    resume: bytes | None


def live_run(step: Step) -> LiveRun:
    snapshot, answer = step.snapshot, step.answer
    return LiveRun(snapshot.run, snapshot.revision, answer.status, answer.seq, step.stored_state)


def ended_run(step: Step) -> EndedRun:
    snapshot, answer = step.snapshot, step.answer
    return EndedRun(
        run=snapshot.run,
        revision=snapshot.revision,
        status=answer.status,
        seq=answer.seq,
        output=step.output,
        error=answer.error,
        resume=step.stored_state if answer.retryable else None,
    )


def is_cancelled_root(step: Step) -> bool:
    """Whether the run's descendants must be cancelled too."""
    return step.answer.status is RunStatus.CANCELLED and step.snapshot.root is None
