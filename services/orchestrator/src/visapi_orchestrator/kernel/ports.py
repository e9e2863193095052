"""The protocols that every package of the orchestrator uses."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from visapi_orchestrator.kernel.rules.messages import RunMessages


class Publisher(Protocol):
    """NATS. Raises `TransientFault` while there is no connection."""

    def publish(self, subject: str, body: bytes, headers: Mapping[str, str] | None = None) -> None: ...


class RunQueue(Protocol):
    """Takes messages of runs for the next batches: the pump."""

    def put(self, messages: Sequence[RunMessages]) -> None: ...


class WakeRuns(Protocol):
    def __call__(self, runs: list[UUID]) -> None:
        """These runs have new inbox rows, or may begin."""
        ...
