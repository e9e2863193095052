"""The protocols that the delivery protocol needs; `main.py` passes the adapters in."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import Payload
from visapi_engine.process.protocol import Answer, Work
from visapi_orchestrator.transitions.rules.ledger_answers import (
    CurrentRun,
    HeldCollections,
    LoadedRuns,
    RevivedRuns,
    WriteResult,
    WrittenDeadLetter,
)
from visapi_orchestrator.transitions.rules.related_writes import Definition
from visapi_orchestrator.transitions.rules.step import Step
from visapi_orchestrator.transitions.rules.write_set import WriteSet


class Ledger(Protocol):
    """PostgreSQL, as far as transitions are concerned."""

    async def load(self, runs: Collection[UUID]) -> LoadedRuns: ...
    async def write(self, rows: WriteSet) -> WriteResult: ...
    async def settled(self, runs: Collection[UUID]) -> dict[UUID, CurrentRun]: ...
    async def revive(self, runs: Collection[UUID]) -> RevivedRuns: ...
    async def forget(self, runs: Collection[UUID]) -> None: ...
    async def tenant_of(self, run: UUID) -> str:
        """The tenant of a live run; empty when there is none."""
        ...

    async def collections(self, wanted: Mapping[UUID, Sequence[str]]) -> dict[UUID, HeldCollections]:
        """The collections of listeners under the keys."""
        ...

    async def definition(self, tenant: str, wanted: WorkflowRef, *, latest: bool) -> Definition | None: ...


class Engine(Protocol):
    """The engine processes. Answers come in any order, one per run. Slow work gets no answer unless it is
    asked for `apart`.
    """

    def advance(self, works: Sequence[Work], *, apart: bool = False) -> AsyncIterator[Answer]: ...
    async def reads(self, program: str) -> bool:
        """Whether a program, by its hash, has a format that this release reads."""
        ...


class Payloads(Protocol):
    """The artifact store, for values above 64 KiB."""

    async def pack(self, tenant: str, raw: bytes) -> Payload: ...
    async def unpack(self, tenant: str, payload: Payload) -> bytes: ...


class Outbox(Protocol):
    """Publishes tasks, updates and dead letters after a commit."""

    def announce(self, step: Step) -> None: ...
    def dead_letters(self, dead_letters: Iterable[WrittenDeadLetter], steps: Iterable[Step]) -> None: ...
