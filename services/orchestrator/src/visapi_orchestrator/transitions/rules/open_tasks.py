"""Open tasks and functions as values that rows and streams are described with."""

from uuid import UUID

import msgspec

Attempt = tuple[UUID, str, int]
"""One attempt at a task: run, path, number."""


class Announced(msgspec.Struct, frozen=True):
    """A function as its row says; `owner` is `_` or a tenant, `spec` a `FunctionSpec` as JSON."""

    owner: str
    name: str
    version: str
    spec: bytes


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
