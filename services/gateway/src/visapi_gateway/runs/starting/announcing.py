"""The trigger of a committed run on NATS: whole, so that the first transition reads nothing."""

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.engine_messages import Trigger, WorkflowRef
from visapi_gateway.kernel.messages import Messages
from visapi_gateway.runs.starting.accepting import NewRun

_encode = msgspec.json.Encoder().encode


class Announcing:
    """See `accepting.Announce`."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    def __call__(self, run: NewRun) -> None:
        trigger = Trigger(
            run=run.id,
            tenant=run.tenant,
            workflow=WorkflowRef(run.namespace, run.name, run.version),
            program=run.program.hex(),
            input=run.input,
            created_at=run.created_at,
            trace=run.trace or None,
        )
        headers = {"Nats-Msg-Id": str(run.id)}
        if run.trace:
            headers["traceparent"] = run.trace
        self._messages.say(subjects.trigger(run.id), _encode(trigger), headers)
