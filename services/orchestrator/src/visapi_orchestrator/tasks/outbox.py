"""What is published after a commit: tasks, live updates, cancellations, dead letters.

Every publish may fail: the ledger holds every task, and a sweep sends the tasks that did not arrive. So
without a connection a publish is given up at once.
"""

from collections.abc import Callable, Iterable
from urllib.parse import quote

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import InboxHint, LiveUpdate
from visapi_common.contracts.task_messages import DeadLetter
from visapi_common.core.errors import Fault, TransientFault
from visapi_common.core.failures import failure_text
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_engine.machine.commands import DropTask
from visapi_orchestrator.kernel.ports import Publisher
from visapi_orchestrator.tasks.rules.counting import counted_as
from visapi_orchestrator.tasks.sending import send
from visapi_orchestrator.transitions.rules.ledger_answers import WrittenDeadLetter
from visapi_orchestrator.transitions.rules.related_writes import RelatedWrites
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot
from visapi_orchestrator.transitions.rules.step import Step

_encode = msgspec.json.Encoder().encode
_SERVICE = "orchestrator"


def _nobody(_function: str, _tenant: str) -> None:
    """The default of `held`: nothing releases tasks."""


class CancelledTask(msgspec.Struct, frozen=True):
    """The body on `CONTROL_CANCELLED`."""

    run: str
    path: str


class Outbox:
    """Publishes the tasks, updates and dead letters of committed steps."""

    def __init__(
        self, publisher: Publisher, metrics: Metrics, held: Callable[[str, str], None] = _nobody
    ) -> None:
        """`held` is told the function and the tenant of each committed task that is held back."""
        self._publisher = publisher
        self._held = held
        self._metrics = metrics
        self._log = get_logger("outbox")

    def announce(self, step: Step) -> None:
        """Publish everything that follows from one transition."""
        snapshot, answer = step.snapshot, step.answer
        try:
            for task in step.tasks:
                if task.held:
                    self._held(task.function, snapshot.tenant)
                    continue
                send(self._publisher, task.subject, [task.stored(snapshot.run, step.trace)])
                self._metrics.tasks_published.labels(counted_as(task.function)).inc()
            if step.related is not None:
                self._announce_related(snapshot, step.related)
            for command in answer.commands:
                if isinstance(command, DropTask) and command.cancelled:
                    body = _encode(CancelledTask(str(snapshot.run), command.path))
                    self._publisher.publish(subjects.CONTROL_CANCELLED, body)
            if answer.seq != snapshot.seq:
                body = _encode(LiveUpdate(snapshot.run, answer.seq, answer.status))
                self._publisher.publish(subjects.live(snapshot.tenant, snapshot.run), body)
        except TransientFault:
            # Not connected: the sweep sends the tasks, followers reread.
            return
        except Exception as error:  # noqa: BLE001 (what cannot be sent undoes no commit, and stops no neighbour)
            self._log.error("publish_refused", run=str(snapshot.run), detail=failure_text(error))

    def _announce_related(self, snapshot: RunSnapshot, related: RelatedWrites) -> None:
        for child in related.children:
            headers = {"Nats-Msg-Id": str(child.id)}
            if child.trace is not None:
                headers["traceparent"] = child.trace
            self._publisher.publish(subjects.trigger(child.id), _encode(child.trigger(snapshot)), headers)
        for row in related.inbox_rows:
            self._publisher.publish(subjects.inbox(row.run), _encode(InboxHint(row.run)))

    def dead_letters(self, dead_letters: Iterable[WrittenDeadLetter], steps: Iterable[Step]) -> None:
        """Announce new dead letters on `DLQ`; the rows are the truth."""
        tenants = {step.snapshot.run: step.snapshot.tenant for step in steps}
        for dead_letter in dead_letters:
            self._metrics.dead_letters.labels(dead_letter.reason).inc()
            self._log.error(
                "dead_letter", reason=dead_letter.reason, run=str(dead_letter.run), task=dead_letter.path
            )
            body = DeadLetter(
                service=_SERVICE,
                reason=dead_letter.reason,
                detail="see dead_letters",
                tenant=tenants.get(dead_letter.run),
                run=dead_letter.run,
                path=dead_letter.path,
                attempt=dead_letter.attempt,
            )
            task = f"{dead_letter.run}:{quote(dead_letter.path)}:{dead_letter.attempt}"
            message_id = {"Nats-Msg-Id": f"{task}:{dead_letter.reason}"}
            try:
                self._publisher.publish(
                    subjects.dead_letter(_SERVICE, dead_letter.reason), _encode(body), message_id
                )
            except Fault:
                continue
