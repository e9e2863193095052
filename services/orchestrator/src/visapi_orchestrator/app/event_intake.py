"""Takes in what producers publish on `EVENTS`: committed first, acknowledged then.

The tenant is the subject's, never the payload's. A message that is no event, or belongs to no
tenant, becomes a dead letter and blocks nobody.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from visapi_common.core.errors import Fault
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.core.arriving import Arrived, BadEvent, read_message

_BATCH = 256
_HAND_BACK_S = 1.0


class EventDelivery(Protocol):
    """A delivery from `EVENTS`."""

    subject: str
    data: bytes

    @property
    def headers(self) -> Mapping[str, str]: ...
    def ack(self) -> None: ...
    def nak(self, delay_s: float | None = None) -> None: ...
    def term(self, reason: str = "") -> None: ...


class EventSource(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def take(self, limit: int) -> Sequence[EventDelivery]: ...


class IntakeRows(Protocol):
    async def take_in(self, events: Sequence[Arrived]) -> None: ...
    async def known_tenants(self, tenants: Sequence[str]) -> set[str]: ...
    async def bury(self, tenant: str, detail: str, body: bytes) -> None: ...


class EventIntake:
    """See the module's docstring. `arrived` is told after each commit."""

    def __init__(self, source: EventSource, rows: IntakeRows, arrived: Callable[[], None]) -> None:
        self._source = source
        self._rows = rows
        self._arrived = arrived
        self._tenants: set[str] = set()
        self._log = get_logger("event_intake")

    async def run(self) -> None:
        """Take in until the source is stopped."""
        while taken := await self._source.take(_BATCH):
            try:
                await self._take_in(taken)
            except Fault as fault:
                self._log.warning("events_handed_back", count=len(taken), detail=str(fault))
                for delivery in taken:
                    delivery.nak(_HAND_BACK_S)

    async def _take_in(self, taken: Sequence[EventDelivery]) -> None:
        events: list[Arrived] = []
        good: list[EventDelivery] = []
        for delivery in taken:
            try:
                event = read_message(delivery.subject, delivery.headers, delivery.data)
                if not await self._known(event.tenant):
                    raise BadEvent(f"there is no tenant {event.tenant!r}; it is the subject's third part")
            except BadEvent as bad:
                await self._bury(delivery, str(bad))
                continue
            events.append(event)
            good.append(delivery)
        if events:
            await self._rows.take_in(events)
            self._arrived()
        for delivery in good:
            delivery.ack()

    async def _known(self, tenant: str) -> bool:
        if tenant not in self._tenants:
            self._tenants |= await self._rows.known_tenants([tenant])
        return tenant in self._tenants

    async def _bury(self, delivery: EventDelivery, detail: str) -> None:
        tenant = delivery.subject.split(".")[2]
        self._log.error("bad_event", subject=delivery.subject, detail=detail)
        await self._rows.bury(tenant, f"{delivery.subject}: {detail}", delivery.data)
        delivery.term("not a CloudEvent")
