"""What `document.metadata.visapi` makes of a program: search attributes and flow control."""

import msgspec

from visapi_engine.model.values import Template


class Attribute(msgspec.Struct, frozen=True, omit_defaults=True):
    """A search attribute: what runs can be found by. Without `$context` and `$output` it follows from the
    run's input alone; see `machine/attributes.py`.
    """

    value: Template
    reads_context: bool = False
    reads_output: bool = False


class Concurrency(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many runs with one key may be under way; `on_limit` is queue, reject or cancel-oldest."""

    limit: int
    key: Template | None = None
    on_limit: str = "queue"


class RateLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many runs of the workflow with one key may begin in a period."""

    limit: int
    period_ms: int
    key: Template | None = None


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `document.metadata.visapi` sets, where the specification has no words. Absent is default."""

    attributes: dict[str, Attribute] = {}
    concurrency: Concurrency | None = None
    rate_limit: RateLimit | None = None
    priority: Template | None = None
