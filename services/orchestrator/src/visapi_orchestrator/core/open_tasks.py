"""Open tasks and functions as values that rows and streams are described with."""

from uuid import UUID

import msgspec

from visapi_common.contracts.task_messages import FunctionSpec

Attempt = tuple[UUID, str, int]
"""One attempt at a task: run, path, number."""

Known = tuple[str, FunctionSpec]
"""A function and its owner: `_` or a tenant."""


class StoredTask(msgspec.Struct, frozen=True):
    """A task to send, or to send again; `send` counts the sends after the first."""

    run: UUID
    path: str
    attempt: int
    send: int
    token: str
    effect_key: str
    body: bytes
    trace: str | None
