"""Keeps a sample of unreadable messages on `ENGINE` as dead letters.

A flood of them must neither fill a table nor slow the lanes, so only few are kept, with their first bytes;
the metric counts them all.
"""

import asyncio
from typing import NamedTuple

from visapi_common.contracts.dead_letters import UNREADABLE
from visapi_common.core.clocks import MonotonicClock
from visapi_common.core.errors import Fault
from visapi_common.core.failures import storable
from visapi_common.runtime.isolation import Isolation
from visapi_orchestrator.batches.rules.sample import Sample
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry

KEPT_BYTES = 64 * 1024
EVERY_S = 1.0
"""At most one message is kept in this time."""
PER_HOUR = 100
TENANT = "_"
"""The tenant of these dead letters, which is unknown: the operator resolves them."""
_SUBJECT_CHARS = 200


class _Kept(NamedTuple):
    subject: str
    body: bytes
    detail: str


class UnreadableMessages:
    """See the module's docstring."""

    def __init__(self, quarantine: Quarantine, clock: MonotonicClock, isolation: Isolation) -> None:
        self._quarantine = quarantine
        self._clock = clock
        self._isolation = isolation
        self._waiting: asyncio.Queue[_Kept] = asyncio.Queue(maxsize=1)
        self._sample = Sample(every_s=EVERY_S, per_hour=PER_HOUR)

    def saw(self, subject: str, data: bytes, reason: str) -> None:
        """Called in the lanes: sample the message, or drop it."""
        if self._waiting.full() or not self._sample.takes(self._clock.monotonic()):
            return
        subject = storable(subject, _SUBJECT_CHARS)
        cut = (
            f"; {len(data)} bytes, of which the first {KEPT_BYTES} are kept" if len(data) > KEPT_BYTES else ""
        )
        self._waiting.put_nowait(_Kept(subject, data[:KEPT_BYTES], f"{subject}: {reason}{cut}"))

    async def run(self) -> None:
        """Store the sample until cancelled. A message that cannot be stored is dropped."""
        while True:
            kept = await self._waiting.get()
            dead_letter = DeadLetterEntry(
                kind="message",
                tenant=TENANT,
                reason=UNREADABLE,
                detail=kept.detail,
                item=(kept.subject,),
                body=kept.body,
            )
            try:
                await self._quarantine.set_aside(dead_letter)
            except Fault as fault:
                self._isolation.note(fault)
