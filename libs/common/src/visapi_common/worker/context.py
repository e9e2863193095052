"""The context of a task, for its handler."""

from datetime import datetime
from typing import Any

import msgspec

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.task_messages import TaskMessage


class ReadOnly(msgspec.Struct, frozen=True):
    """Returned by a handler in place of `value` when this call had no effect, although other calls of the
    function may. A function without any effect is declared with `effect="none"`.
    """

    value: Any


class TaskContext(msgspec.Struct, frozen=True):
    """The second argument of handlers that take one."""

    message: TaskMessage
    started_at: datetime
    """When this process started the task; an earlier attempt or delivery may have started it before."""

    @property
    def effect_key(self) -> str:
        """64 hex digits, the same for every attempt and redelivery: pass it on as idempotency key."""
        return self.message.effect_key

    @property
    def test(self) -> bool:
        """Whether the task belongs to a test run: nobody outside may hear of it."""
        return self.message.test

    @property
    def tenant(self) -> str:
        return self.message.tenant

    @property
    def attempt(self) -> int:
        return self.message.attempt

    @property
    def workflow(self) -> WorkflowRef:
        return self.message.workflow
