"""Answers claims: workers of *once* functions ask before they start, and are answered after the commit.

One statement decides all waiting claims. A claim repeated under the same worker name is the same start whose
answer was lost, and is granted again. Under another name another worker has started before, and nobody knows
how that ended. The subject names the owner of the worker, which starts tasks of this owner only. See
docs/explanation/effects-and-uncertainty.md.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.formats import NEWEST
from visapi_common.contracts.task_messages import Claim, ClaimAnswer, ClaimVerdict
from visapi_common.core.effect_key import token_proves
from visapi_common.core.failures import failure_text
from visapi_common.core.keyrings import Keyring
from visapi_common.runtime.isolation import Isolation
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.transitions.rules.open_tasks import Attempt

_BATCH = 256
_BOUND = 10_000
_CLAIM_BYTES_MAX = 64 * 1024

_read = Reader(Claim, bytes_max=_CLAIM_BYTES_MAX, newest=NEWEST.messages)
_encode = msgspec.json.Encoder().encode


class WorkerRequest(Protocol):
    """A worker's request with its reply."""

    @property
    def subject(self) -> str: ...
    @property
    def data(self) -> bytes: ...
    @property
    def answerable(self) -> bool: ...
    def respond(self, body: bytes) -> None: ...


class ClaimedTasks(Protocol):
    """Starts tasks; returns the worker that holds each attempt now. Attempts that are over, and attempts of
    other owners, are absent.
    """

    async def claim(self, claims: Sequence[tuple[str, Claim]]) -> dict[tuple[str, Attempt], str]: ...


class _Waiting(NamedTuple):
    owner: str
    claim: Claim
    asked: WorkerRequest

    @property
    def attempt(self) -> tuple[str, Attempt]:
        return self.owner, (self.claim.run, self.claim.path, self.claim.attempt)


class Claims:
    """See the module's docstring."""

    def __init__(self, tasks: ClaimedTasks, keys: Keyring, metrics: Metrics) -> None:
        self._tasks = tasks
        self._metrics = metrics
        self._keys = keys
        self._isolation = Isolation("claims", metrics)
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(maxsize=_BOUND)
        self._log = get_logger("claims")

    def receive(self, asked: WorkerRequest) -> None:
        """Called in the read loop: queue the claim for the next batch. The worker repeats an unanswered
        claim.
        """
        claim = _read(asked.data)
        if isinstance(claim, Unreadable):
            self._metrics.messages_unreadable.labels("claim").inc()
            self._log.error("claim_unreadable", detail=claim.reason)
            return
        if not token_proves(self._keys, claim.run, claim.path, claim.attempt, given=claim.token):
            self._log.warning("token_wrong", run=str(claim.run), task=claim.path)
            return
        if not self._waiting.full():
            self._waiting.put_nowait(_Waiting(subjects.speaker(asked.subject), claim, asked))

    async def run(self) -> None:
        """Decide claims until cancelled."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            await self._isolation.each(batch, self._decide, self._pass_over)

    async def _decide(self, batch: Sequence[_Waiting]) -> None:
        # One claim per attempt and statement: an UPDATE applies only one of two rows with one key.
        first: dict[tuple[str, Attempt], Claim] = {}
        for one in batch:
            first.setdefault(one.attempt, one.claim)
        holders = await self._tasks.claim([(owner, claim) for (owner, _), claim in first.items()])
        for one in batch:
            verdict = _verdict(holders.get(one.attempt), one.claim)
            one.asked.respond(_encode(ClaimAnswer(verdict)))

    async def _pass_over(self, one: _Waiting, error: Exception) -> None:
        """A claim that cannot be decided gets no answer; it names no known task."""
        self._log.error(
            "claim_passed_over", run=str(one.claim.run), owner=one.owner, detail=failure_text(error)
        )


def _verdict(holder: str | None, claim: Claim) -> ClaimVerdict:
    if holder is None:
        return ClaimVerdict.GONE
    return ClaimVerdict.GRANTED if holder == claim.worker else ClaimVerdict.UNCERTAIN
