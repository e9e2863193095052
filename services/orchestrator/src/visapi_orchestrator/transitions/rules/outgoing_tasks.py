"""From the machine's `CallTask` to the message a worker gets."""

from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.payloads import Payload
from visapi_common.contracts.task_messages import OnUncertain, TaskMessage
from visapi_common.core.effect_key import effect_key, task_token
from visapi_common.core.keyrings import Key
from visapi_engine.machine.commands import CallTask
from visapi_orchestrator.transitions.rules.open_tasks import StoredTask
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot

_encode = msgspec.json.Encoder().encode


class Outgoing(msgspec.Struct, frozen=True):
    """A task as it is stored and sent."""

    path: str
    attempt: int
    function: str
    effect_key: str
    token: str
    subject: str
    body: bytes
    held: bool = False
    """The stream holds enough tasks of the function: the task is sent once its tenant is served."""

    def stored(self, run: UUID, trace: str | None) -> StoredTask:
        """The task as its row would give it, with no earlier send."""
        return StoredTask(run, self.path, self.attempt, 0, self.token, self.effect_key, self.body, trace)


class TaskKeys(Protocol):
    """The keys of a run."""

    def effect(self, snapshot: RunSnapshot) -> Key: ...
    def handle(self, snapshot: RunSnapshot) -> Key: ...


def task_of(
    call: CallTask, arguments: Payload, snapshot: RunSnapshot, keys: TaskKeys, trace: str | None
) -> Outgoing:
    """Name the effect, sign the attempt, write the message. Same inputs, same bytes."""
    run, secret = snapshot.run, keys.effect(snapshot).secret
    key = effect_key(secret, run, call.path, call.repetition)
    token = task_token(secret, run, call.path, call.attempt)
    message = TaskMessage(
        run=run,
        path=call.path,
        attempt=call.attempt,
        tenant=snapshot.tenant,
        function=call.function,
        workflow=snapshot.workflow,
        name=call.name,
        pointer=call.pointer,
        input=arguments,
        effect_key=key,
        token=token,
        reply=subjects.result(run),
        on_uncertain=OnUncertain(call.on_uncertain),
        deadline=_moment(call.deadline_ms),
        own_deadline=_moment(call.own_deadline_ms),
        trace=trace,
        handle_key=keys.handle(snapshot).id,
        test=snapshot.test,
    )
    return Outgoing(
        path=call.path,
        attempt=call.attempt,
        function=call.function,
        effect_key=key,
        token=token,
        subject=subjects.task(snapshot.tenant, call.function),
        body=_encode(message),
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)
