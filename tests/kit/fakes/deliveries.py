"""Deliveries of a consumer in memory, and what became of each."""

import asyncio
from collections.abc import Sequence


class FakeDelivery:
    """See `batches.reading.Incoming` and `adapters.pull_loop.Delivery`."""

    def __init__(self, subject: str = "", data: bytes = b"", *, deliveries: int = 1) -> None:
        self.subject = subject
        self.data = data
        self.deliveries = deliveries
        self.fate: list[str] = []
        """`ack`, `nak` (with its delay) or `term`, in order."""

    def ack(self) -> None:
        self.fate.append("ack")

    def nak(self, delay_s: float | None = None) -> None:
        self.fate.append("nak" if delay_s is None else f"nak {delay_s:g}")

    def term(self, reason: str = "") -> None:
        self.fate.append(f"term {reason}")


class FakeSource:
    """See `batches.pump.AnnouncedMessages`."""

    def __init__(self) -> None:
        self._waiting: list[FakeDelivery] = []
        self._wake = asyncio.Event()

    def arrive(self, *deliveries: FakeDelivery) -> None:
        self._waiting += deliveries
        self._wake.set()

    def take_nowait(self, limit: int) -> Sequence[FakeDelivery]:
        taken, self._waiting = self._waiting[:limit], self._waiting[limit:]
        return taken

    def on_arrival(self, wake: asyncio.Event) -> None:
        self._wake = wake

    @property
    def waiting(self) -> int:
        return len(self._waiting)


class FakeRequest:
    """See `tasks.claims.WorkerRequest`: a request, and its reply."""

    def __init__(self, subject: str, data: bytes) -> None:
        self.subject = subject
        self.data = data
        self.replies: list[bytes] = []
        self.answerable = True

    def respond(self, body: bytes) -> None:
        self.replies.append(body)
