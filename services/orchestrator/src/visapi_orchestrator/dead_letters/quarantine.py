"""Sets items aside that failed alone: stores, announces and counts a dead letter, off the hot path."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import DeadLetter
from visapi_common.core.errors import Fault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.dead_letters.rules.entries import SERVICE, DeadLetterEntry
from visapi_orchestrator.kernel.ports import Publisher

_encode = msgspec.json.Encoder().encode


class DeadLetterRows(Protocol):
    async def set_aside(self, dead_letter: DeadLetterEntry) -> bool:
        """Store the dead letter and retire its row in one transaction; True where the dead letter is new."""
        ...


class Quarantine:
    """See the module's docstring."""

    def __init__(self, rows: DeadLetterRows, publisher: Publisher, metrics: Metrics) -> None:
        self._rows = rows
        self._publisher = publisher
        self._metrics = metrics
        self._log = get_logger("quarantine")

    async def set_aside(
        self, dead_letter: DeadLetterEntry, keep: Callable[[DeadLetterEntry], Awaitable[bool]] | None = None
    ) -> None:
        """Store the dead letter; `keep` does so within a transaction of the caller. Raises `Fault`."""
        if await (keep or self._rows.set_aside)(dead_letter):
            self.announce(dead_letter)

    def announce(self, dead_letter: DeadLetterEntry) -> None:
        """Count, log and publish a dead letter that was stored."""
        self._metrics.dead_letters.labels(dead_letter.reason).inc()
        self._log.error(
            "dead_letter",
            reason=dead_letter.reason,
            kind=dead_letter.kind,
            tenant=dead_letter.tenant,
            item=dead_letter.stored_item,
            detail=dead_letter.detail,
        )
        body = DeadLetter(
            service=SERVICE,
            reason=dead_letter.reason,
            detail=dead_letter.detail,
            tenant=dead_letter.tenant,
            run=dead_letter.run,
        )
        subject = subjects.dead_letter(SERVICE, dead_letter.reason)
        try:
            self._publisher.publish(subject, _encode(body), {"Nats-Msg-Id": dead_letter.digest.hex()})
        except Fault as fault:
            # The row is the truth; the announcement is for consumers of the stream.
            self._log.warning("dead_letter_not_announced", detail=str(fault))
