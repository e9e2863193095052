"""The settings in `document.metadata.visapi`: search attributes and flow control."""

import msgspec

from visapi_engine.model.values import Template


class Attribute(msgspec.Struct, frozen=True, omit_defaults=True):
    """A search attribute, by which runs are found. Without `$context` and `$output` it depends on the
    run's input alone; see `machine/attributes.py`.
    """

    value: Template
    reads_context: bool = False
    reads_output: bool = False


class Concurrency(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many runs with one key may be open at once; `on_limit` is queue, reject or cancel-oldest."""

    limit: int
    key: Template | None = None
    on_limit: str = "queue"


class RateLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many runs of the workflow with one key may begin in a period."""

    limit: int
    period_ms: int
    key: Template | None = None


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """The settings in `document.metadata.visapi`. An absent setting has its default."""

    attributes: dict[str, Attribute] = {}
    concurrency: Concurrency | None = None
    rate_limit: RateLimit | None = None
    priority: Template | None = None
