"""Sets items aside that failed alone: stores, announces and counts a dead letter, off the hot path."""

from collections.abc import Awaitable, Callable, Sequence
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

    async def set_aside_messages(self, dead_letters: Sequence[DeadLetterEntry]) -> set[bytes]:
        """Store dead letters of messages, all or none; return the digests of the new ones."""
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

    async def set_aside_messages(self, dead_letters: Sequence[DeadLetterEntry]) -> None:
        """Store dead letters of messages in one statement, so that a flood of them delays later messages
        little. Logs one for each tenant, with the number. Raises `Fault`.
        """
        new = await self._rows.set_aside_messages(dead_letters)
        of_tenants: dict[str, list[DeadLetterEntry]] = {}
        for dead_letter in dead_letters:
            if dead_letter.digest in new:
                of_tenants.setdefault(dead_letter.tenant, []).append(dead_letter)
        for first, *others in of_tenants.values():
            self._report(first, 1 + len(others))
            for dead_letter in (first, *others):
                self._publish(dead_letter)

    def announce(self, dead_letter: DeadLetterEntry) -> None:
        """Count, log and publish a dead letter that was stored."""
        self._report(dead_letter, 1)
        self._publish(dead_letter)

    def _report(self, dead_letter: DeadLetterEntry, number: int) -> None:
        self._metrics.dead_letters.labels(dead_letter.reason).inc(number)
        self._log.error(
            "dead_letter",
            reason=dead_letter.reason,
            kind=dead_letter.kind,
            tenant=dead_letter.tenant,
            item=dead_letter.stored_item,
            detail=dead_letter.detail,
            number=number,
        )

    def _publish(self, dead_letter: DeadLetterEntry) -> None:
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
