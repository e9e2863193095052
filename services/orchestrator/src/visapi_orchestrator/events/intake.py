"""Takes in events that producers publish on `EVENTS`: commits first, then acknowledges.

The tenant is the subject's, never the payload's. A message that is no event, belongs to no tenant or to a
disabled one, or cannot be stored, becomes a dead letter (`events.set_aside_messages`) and blocks nobody.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from visapi_common.core.batches import batches
from visapi_common.runtime.isolation import Isolation
from visapi_orchestrator.events.set_aside_messages import Message, RefusedMessage, SetAsideMessages
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


class EventDelivery(Message, Protocol):
    """A delivery from `EVENTS`."""

    def ack(self) -> None: ...


class EventSource(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def take(self, limit: int) -> Sequence[EventDelivery]: ...


class IntakeRows(Protocol):
    async def take_in(self, events: Sequence[ArrivedEvent]) -> set[tuple[str, str, str]]:
        """Commit events. Returns the names of the events of disabled tenants, which are not stored."""
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
            for some in batches(taken, _size, _BATCH_BYTES):
                await self._take_in(some)

    async def _take_in(self, taken: Sequence[EventDelivery]) -> None:
        read, refused = _read(taken)
        unstorable: list[RefusedMessage] = []
        disabled: set[tuple[str, str, str]] = set()

        async def store(some: Sequence[_Read]) -> None:
            known = await self._known({one.event.tenant for one in some})
            events = [one.event for one in some if one.event.tenant in known]
            disabled.update(await self._rows.take_in(events) if events else ())

        async def refuse(one: _Read, error: Exception) -> None:
            unstorable.append(RefusedMessage(one.delivery, error))

        stored = await self._isolation.each(read, store, refuse)
        if stored.done:
            self._arrived()
        for one in stored.done:
            if one.event.tenant not in self._tenants:
                refused.append(RefusedMessage(one.delivery, _no_tenant(one.event.tenant)))
            elif one.event.name in disabled:
                refused.append(RefusedMessage(one.delivery, TenantDisabled(one.event.tenant)))
            else:
                one.delivery.ack()
        _hand_back([one.delivery for one in stored.left])
        self._isolation.quarantined(len(refused))
        buried = await self._isolation.each([*refused, *unstorable], self._set_aside.bury, _raise)
        _hand_back([one.delivery for one in buried.left])

    async def _known(self, tenants: set[str]) -> set[str]:
        """The tenants that exist. One that is disabled does."""
        new = tenants - self._tenants
        if new:
            self._tenants |= await self._rows.known_tenants(sorted(new))
        return self._tenants


def _read(some: Sequence[EventDelivery]) -> tuple[list[_Read], list[RefusedMessage]]:
    """The events of messages, and the messages that are none."""
    read: list[_Read] = []
    refused: list[RefusedMessage] = []
    for one in some:
        try:
            read.append(_Read(one, read_message(one.subject, one.headers, one.data)))
        except Exception as error:  # noqa: BLE001 (whatever a message provokes is about that message)
            refused.append(RefusedMessage(one, error))
    return read, refused


def _size(delivery: EventDelivery) -> int:
    return len(delivery.data)


def _no_tenant(name: str) -> BadEvent:
    return BadEvent(f"there is no tenant {name!r}; it is the subject's third part")


async def _raise(_: RefusedMessage, error: Exception) -> None:
    """A message that cannot even be set aside stays in the stream, and is tried again."""
    raise error


def _hand_back(deliveries: Sequence[Message]) -> None:
    for delivery in deliveries:
        delivery.nak(_HAND_BACK_S)
