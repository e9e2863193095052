"""Takes in events that producers publish on `EVENTS`: commits first, then acknowledges.

The tenant is the subject's, never the payload's. A message that is no event, belongs to no tenant or to a
disabled one, or cannot be stored, becomes a dead letter (`events.set_aside_messages`) and blocks nobody.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from visapi_common.runtime.isolation import Isolation
from visapi_orchestrator.events.set_aside_messages import SetAsideMessages
from visapi_orchestrator.kernel.rules.arriving_events import (
    ArrivedEvent,
    BadEvent,
    TenantDisabled,
    read_message,
)

_BATCH = 256
_BATCH_BYTES = 1024 * 1024
"""Events are read in the event loop, which runs of everybody need."""
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
    async def take_in(self, events: Sequence[ArrivedEvent]) -> set[tuple[str, str, str]]:
        """Commit events. Returns the names of those that were not taken, because their tenant is disabled."""
        ...

    async def known_tenants(self, tenants: Sequence[str]) -> set[str]: ...


class _Read(NamedTuple):
    """A delivery and the event that it carries."""

    delivery: EventDelivery
    event: ArrivedEvent


class EventIntake:
    """See the module's docstring. `arrived` is called after each commit."""

    def __init__(
        self,
        source: EventSource,
        rows: IntakeRows,
        set_aside: SetAsideMessages,
        isolation: Isolation,
        arrived: Callable[[], None],
    ) -> None:
        self._source = source
        self._rows = rows
        self._set_aside = set_aside
        self._isolation = isolation
        self._arrived = arrived
        self._tenants: set[str] = set()

    async def run(self) -> None:
        """Take in until the source is stopped."""
        while taken := await self._source.take(_BATCH):
            for some in _in_batches(taken):
                await self._take_in(some)

    async def _take_in(self, taken: Sequence[EventDelivery]) -> None:
        read: list[_Read] = []

        async def understand(some: Sequence[EventDelivery]) -> None:
            read.extend(await self._read(some))

        understood = await self._isolation.each(taken, understand, self._set_aside.bury)
        _hand_back(understood.left)
        disabled: set[tuple[str, str, str]] = set()

        async def store(some: Sequence[_Read]) -> None:
            disabled.update(await self._rows.take_in([one.event for one in some]))

        stored = await self._isolation.each(read, store, self._bury_read)
        if stored.done:
            self._arrived()
        refused = [one for one in stored.done if one.event.name in disabled]
        for one in stored.done:
            if one.event.name not in disabled:
                one.delivery.ack()
        buried = await self._isolation.each(refused, _refuse, self._bury_read)
        _hand_back([one.delivery for one in (*stored.left, *buried.left)])

    async def _read(self, some: Sequence[EventDelivery]) -> list[_Read]:
        """Raises `BadEvent` where a message is no event, or has no tenant."""
        read = [_Read(one, read_message(one.subject, one.headers, one.data)) for one in some]
        new = {one.event.tenant for one in read} - self._tenants
        if new:
            self._tenants |= await self._rows.known_tenants(sorted(new))
        for one in read:
            if one.event.tenant not in self._tenants:
                raise BadEvent(f"there is no tenant {one.event.tenant!r}; it is the subject's third part")
        return read

    async def _bury_read(self, read: _Read, error: Exception) -> None:
        await self._set_aside.bury(read.delivery, error)


def _in_batches(taken: Sequence[EventDelivery]) -> Iterator[list[EventDelivery]]:
    """The deliveries in their order, in batches of bounded size; a large one stands alone."""
    batch: list[EventDelivery] = []
    size = 0
    for delivery in taken:
        if batch and size + len(delivery.data) > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(delivery)
        size += len(delivery.data)
    if batch:
        yield batch


async def _refuse(some: Sequence[_Read]) -> None:
    """Raises `TenantDisabled`: PostgreSQL did not take them."""
    raise TenantDisabled(some[0].event.tenant)


def _hand_back(deliveries: Sequence[EventDelivery]) -> None:
    for delivery in deliveries:
        delivery.nak(_HAND_BACK_S)
