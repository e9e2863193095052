"""What a handler may know about the task it works on."""

from datetime import datetime
from typing import Any

import msgspec

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.task_messages import TaskMessage


class ReadOnly(msgspec.Struct, frozen=True):
    """Given back by a handler in place of `value` where this call changed nothing, though others of its
    function may. A function that never changes anything is declared with `effect="none"`.
    """

    value: Any


class TaskContext(msgspec.Struct, frozen=True):
    """Handed to handlers that take a second parameter."""

    message: TaskMessage
    started_at: datetime
    """When this process began; an earlier attempt or delivery may have begun before."""

    @property
    def effect_key(self) -> str:
        """64 hex digits, the same for every attempt and redelivery: pass it on as idempotency key."""
        return self.message.effect_key

    @property
    def tenant(self) -> str:
        return self.message.tenant

    @property
    def attempt(self) -> int:
        return self.message.attempt

    @property
    def workflow(self) -> WorkflowRef:
        return self.message.workflow
