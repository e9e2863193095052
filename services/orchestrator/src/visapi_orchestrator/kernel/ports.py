"""The protocols that every package of the orchestrator uses."""

from collections.abc import Mapping
from typing import Protocol


class Publisher(Protocol):
    """NATS. Raises `TransientFault` while there is no connection."""

    def publish(self, subject: str, body: bytes, headers: Mapping[str, str] | None = None) -> None: ...


class Monotonic(Protocol):
    """Seconds that never go back."""

    def monotonic(self) -> float: ...
