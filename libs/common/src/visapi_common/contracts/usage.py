"""What a tenant used, by day and workflow."""

from datetime import date

import msgspec


class UsageView(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one day (UTC) and one workflow; a day or a workflow is null in a sum over all of them.

    `namespace` and `name` are empty where the workflow of a delivery was not known any more.
    """

    day: date | None
    namespace: str | None
    name: str | None
    accepted: int
    """Runs that were accepted: over HTTP, by schedules and events, and by other runs."""
    retried: int
    """Ended runs that were taken up again."""
    completed: int
    faulted: int
    cancelled: int
    tasks: int
    """Tasks that were given to workers, each once however often it was tried."""
    deliveries: int
    """Effects that the notifier has sent: messages and calls that change something."""
    artifact_bytes: int
    """Bytes stored in the artifact store: inputs above 64 KiB, and outputs of tasks that lie there."""


class UsagePage(msgspec.Struct, frozen=True):
    items: list[UsageView]
    next: str | None
