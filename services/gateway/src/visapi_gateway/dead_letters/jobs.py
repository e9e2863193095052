"""Check quarantined messages and their replacements in bounded processes, because their senders are not
trusted.
"""

from visapi_common.core.bounds import BoundExceeded
from visapi_common.runtime.bounded_processes import Bounds, Job
from visapi_gateway.dead_letters.rules.edits import CheckedEvent, WantedEvent, read_checked
from visapi_gateway.dead_letters.rules.set_aside_messages import SetAsideMessage
from visapi_gateway.kernel.bounded_jobs import FILES, BoundedJobs

MESSAGE = Job(
    "message",
    "visapi_gateway.dead_letters.rules.set_aside_messages:find_flaw",
    Bounds(cpu_ms=2_000, wall_ms=5_000, files=FILES),
)


EDIT = Job(
    "edit",
    "visapi_gateway.dead_letters.rules.edits:check_edit",
    Bounds(cpu_ms=2_000, wall_ms=5_000, files=FILES),
)


class MessageJobs:
    """The jobs above, with their values instead of bytes."""

    def __init__(self, bounded: BoundedJobs) -> None:
        self._bounded = bounded

    async def flaw_of_message(self, tenant: str, message: SetAsideMessage) -> str:
        """Why a quarantined message is not a valid event; empty where the message is valid."""
        try:
            return (await self._bounded.run(tenant, MESSAGE, message.encoded())).decode()
        except BoundExceeded as over:
            return over.detail

    async def checked_edit(self, tenant: str, wanted: WantedEvent) -> CheckedEvent:
        """The replacement of an event that was set aside, or the flaw of the replacement."""
        try:
            return read_checked(await self._bounded.run(tenant, EDIT, wanted.encoded()))
        except BoundExceeded as over:
            return CheckedEvent(b"", over.detail)
