"""Workers of *once* functions ask before they start; the answer follows the commit (DESIGN 3.6).

All claims that wait are decided by one statement. A claim repeated under the same worker name is the
same start whose answer was lost, and is granted again; under another name somebody started before,
and nobody knows how that ended.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.task_messages import Claim, ClaimAnswer, ClaimVerdict
from visapi_common.core.effect_key import task_token, token_matches
from visapi_common.core.errors import Fault
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.core.open_tasks import Attempt

_BATCH = 256
_BOUND = 10_000
_CLAIM_BYTES_MAX = 64 * 1024

_read = Reader(Claim, bytes_max=_CLAIM_BYTES_MAX)
_encode = msgspec.json.Encoder().encode


class Asked(Protocol):
    """A request that can be answered."""

    @property
    def data(self) -> bytes: ...
    def respond(self, body: bytes) -> None: ...


class ClaimedTasks(Protocol):
    """Starts tasks: who holds each attempt now; attempts that nobody wants are absent."""

    async def claim(self, claims: Sequence[Claim]) -> dict[Attempt, str]: ...


class Claims:
    """See the module's docstring."""

    def __init__(self, tasks: ClaimedTasks, secret: bytes, metrics: Metrics) -> None:
        self._tasks = tasks
        self._metrics = metrics
        self._secret = secret
        self._waiting: asyncio.Queue[tuple[Claim, Asked]] = asyncio.Queue(maxsize=_BOUND)
        self._log = get_logger("claims")

    def receive(self, asked: Asked) -> None:
        """Called in the read loop: keep it for the next batch. An unanswered claim is asked again."""
        claim = _read(asked.data)
        if isinstance(claim, Unreadable):
            self._metrics.messages_unreadable.labels("claim").inc()
            self._log.error("claim_unreadable", detail=claim.reason)
            return
        expected = task_token(self._secret, claim.run, claim.path, claim.attempt)
        if not (claim.token.isascii() and token_matches(expected, claim.token)):
            self._log.warning("token_wrong", run=str(claim.run), task=claim.path)
            return
        if not self._waiting.full():
            self._waiting.put_nowait((claim, asked))

    async def run(self) -> None:
        """Decide claims until cancelled."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                await self._decide(batch)
            except Fault as fault:
                self._log.warning("claims_not_decided", count=len(batch), detail=str(fault))

    async def _decide(self, batch: Sequence[tuple[Claim, Asked]]) -> None:
        # One claim per attempt and statement: an UPDATE applies only one of two rows with one key.
        first: dict[Attempt, Claim] = {}
        for claim, _ in batch:
            first.setdefault((claim.run, claim.path, claim.attempt), claim)
        holders = await self._tasks.claim(list(first.values()))
        for claim, asked in batch:
            holder = holders.get((claim.run, claim.path, claim.attempt))
            asked.respond(_encode(ClaimAnswer(_verdict(holder, claim))))


def _verdict(holder: str | None, claim: Claim) -> ClaimVerdict:
    if holder is None:
        return ClaimVerdict.GONE
    return ClaimVerdict.GRANTED if holder == claim.worker else ClaimVerdict.UNCERTAIN
