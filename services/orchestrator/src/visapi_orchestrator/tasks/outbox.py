"""What is published after a commit: tasks, live updates, cancellations, dead letters.

Nothing here is a promise: the ledger holds every task, and a sweep sends what did not arrive. So a
publish without a connection is given up at once.
"""

from collections.abc import Iterable
from urllib.parse import quote

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import InboxHint, LiveUpdate
from visapi_common.contracts.task_messages import DeadLetter
from visapi_common.core.errors import Fault, TransientFault
from visapi_common.core.failures import told
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_engine.machine.commands import DropTask
from visapi_orchestrator.kernel.ports import Publisher
from visapi_orchestrator.tasks.sending import send
from visapi_orchestrator.transitions.rules.ledger_answers import WrittenLetter
from visapi_orchestrator.transitions.rules.related import Family
from visapi_orchestrator.transitions.rules.snapshot import Facts
from visapi_orchestrator.transitions.rules.step import Step

_encode = msgspec.json.Encoder().encode
_SERVICE = "orchestrator"


class CancelledTask(msgspec.Struct, frozen=True):
    """The body on `CONTROL_CANCELLED`."""

    run: str
    path: str


class Outbox:
    """Publishes what a committed step asks for."""

    def __init__(self, publisher: Publisher, metrics: Metrics) -> None:
        self._publisher = publisher
        self._metrics = metrics
        self._log = get_logger("outbox")

    def announce(self, step: Step) -> None:
        """Everything that follows from one run's transition."""
        facts, answer = step.facts, step.answer
        try:
            for task in step.tasks:
                if task.held:
                    continue
                send(self._publisher, task.subject, [task.stored(facts.run, step.trace)])
                self._metrics.tasks_published.labels(task.function).inc()
            if step.family is not None:
                self._announce_family(facts, step.family)
            for command in answer.commands:
                if isinstance(command, DropTask) and command.cancelled:
                    body = _encode(CancelledTask(str(facts.run), command.path))
                    self._publisher.publish(subjects.CONTROL_CANCELLED, body)
            if answer.seq != facts.seq:
                body = _encode(LiveUpdate(facts.run, answer.seq, answer.status))
                self._publisher.publish(subjects.live(facts.tenant, facts.run), body)
        except TransientFault:
            # Not connected: the sweep sends the tasks, followers reread.
            return
        except Exception as error:  # noqa: BLE001 (what cannot be sent undoes no commit, and stops no neighbour)
            self._log.error("publish_refused", run=str(facts.run), detail=told(error))

    def _announce_family(self, facts: Facts, family: Family) -> None:
        for child in family.children:
            headers = {"Nats-Msg-Id": str(child.id)}
            if child.trace is not None:
                headers["traceparent"] = child.trace
            self._publisher.publish(subjects.trigger(child.id), _encode(child.trigger(facts)), headers)
        for row in family.telling:
            self._publisher.publish(subjects.inbox(row.run), _encode(InboxHint(row.run)))

    def dead_letters(self, letters: Iterable[WrittenLetter], steps: Iterable[Step]) -> None:
        """Announce new dead letters on `DLQ`; the rows are the truth."""
        tenants = {step.facts.run: step.facts.tenant for step in steps}
        for letter in letters:
            self._metrics.dead_letters.labels(letter.reason).inc()
            self._log.error("dead_letter", reason=letter.reason, run=str(letter.run), task=letter.path)
            body = DeadLetter(
                service=_SERVICE,
                reason=letter.reason,
                detail="see dead_letters",
                tenant=tenants.get(letter.run),
                run=letter.run,
                path=letter.path,
                attempt=letter.attempt,
            )
            message_id = {
                "Nats-Msg-Id": f"{letter.run}:{quote(letter.path)}:{letter.attempt}:{letter.reason}"
            }
            try:
                self._publisher.publish(
                    subjects.dead_letter(_SERVICE, letter.reason), _encode(body), message_id
                )
            except Fault:
                continue
