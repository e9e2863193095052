"""Quarantines messages on `EVENTS` that cannot be stored, a bounded number for each tenant.

A disabled tenant, or one whose producers send invalid events, would fill PostgreSQL with unresolved dead
letters. Beyond the bound, messages are dropped, counted and logged. From half of the bound on, the producers
of a disabled tenant are refused (`events.producers`). Of a tenant that is erased, or is being erased, all
messages are dropped, so that nothing of the tenant is stored again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from visapi_common.contracts import subjects
from visapi_common.core.clocks import MonotonicClock
from visapi_common.core.failures import failure_text, storable
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_orchestrator.dead_letters.quarantine import Quarantine
from visapi_orchestrator.dead_letters.rules.entries import DeadLetterEntry
from visapi_orchestrator.kernel.rules.arriving_events import TenantDisabled

NUMBER_MAX = 10_000
BYTES_MAX = 64 * 1024 * 1024
"""Of open dead letters of messages of one tenant."""
_FRESH_S = 5.0
"""How long a count from PostgreSQL is used; this process adds its own dead letters to it."""
_RECENT_S = 60.0
_LOG_EVERY_S = 60.0
_KNOWN_MAX = 10_000
_TENANT_CHARS = 63
_SUBJECT_CHARS = 200

_encode = msgspec.json.Encoder().encode


class Message(Protocol):
    """A delivery from `EVENTS` that may be refused."""

    @property
    def subject(self) -> str: ...
    @property
    def data(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def nak(self, delay_s: float | None = None) -> None: ...
    def term(self, reason: str = "") -> None: ...


class LetterCounts(Protocol):
    async def messages_set_aside(self, tenant: str, number_max: int) -> tuple[int, int]:
        """Number and bytes of the tenant's open dead letters of messages, counted up to a number."""
        ...

    async def erased(self, tenants: Sequence[str]) -> set[str]:
        """Of some tenants those that are erased, or are being erased."""
        ...


class RefusedMessage(NamedTuple):
    """A message that cannot be taken in, and why."""

    delivery: Message
    error: Exception

    @property
    def tenant(self) -> str:
        """Named by the subject; possibly no tenant."""
        return storable(subjects.event_tenant(self.delivery.subject), _TENANT_CHARS)


class _TenantErasedError(Exception):
    """Why a message of a tenant that is erased is dropped."""


@dataclass
class _Held:
    number: int
    size: int
    read_at: float
    dropped: int = 0
    logged_at: float = float("-inf")


class SetAsideMessages:
    """See the module's docstring."""

    def __init__(
        self, quarantine: Quarantine, counts: LetterCounts, clock: MonotonicClock, metrics: Metrics
    ) -> None:
        self._quarantine = quarantine
        self._counts = counts
        self._clock = clock
        self._metrics = metrics
        self._held: dict[str, _Held] = {}
        self._log = get_logger("event-intake")

    def filling(self) -> set[str]:
        """Tenants of which messages were set aside lately and that hold at least half of the bound, as far as
        this process has seen.
        """
        since = self._clock.monotonic() - _RECENT_S
        return {
            tenant
            for tenant, held in self._held.items()
            if held.read_at >= since and _fills(held.number, held.size, 2)
        }

    async def bury(self, refused: Sequence[RefusedMessage]) -> None:
        """Keep unchanged messages as dead letters, all in one statement; the tenant of each, named by its
        subject, may replay it. Messages of erased tenants are dropped. Raises `Fault`; then nothing was
        kept, and none was terminated.
        """
        erased = await self._counts.erased(sorted({one.tenant for one in refused}))
        await self._keep([one for one in refused if one.tenant not in erased])
        for one in refused:
            if one.tenant in erased:
                gone = _TenantErasedError(f"the tenant {one.tenant!r} is erased, or is being erased")
                self._drop(one.tenant, self._known(one.tenant), gone)
                one.delivery.term("dropped: the tenant is erased")

    async def _keep(self, refused: Sequence[RefusedMessage]) -> None:
        kept: list[tuple[RefusedMessage, DeadLetterEntry, _Held]] = []
        dropped: list[tuple[RefusedMessage, str, _Held]] = []
        for one in refused:
            tenant = one.tenant
            held, size = await self._read(tenant), len(one.delivery.data)
            if _fills(held.number, held.size + size, 1):
                dropped.append((one, tenant, held))
                continue
            held.number, held.size = held.number + 1, held.size + size
            kept.append((one, _dead_letter(tenant, one.delivery, one.error), held))
        try:
            if kept:
                await self._quarantine.set_aside_messages([dead_letter for _, dead_letter, _ in kept])
        except BaseException:
            for _, _, held in kept:
                held.read_at = float("-inf")
            raise
        for one, _, _ in kept:
            one.delivery.term("set aside as a dead letter")
        for one, tenant, held in dropped:
            self._drop(tenant, held, one.error)
            one.delivery.term("dropped: the tenant has as many dead letters of messages as it may have")

    def _known(self, tenant: str) -> _Held:
        held = self._held.get(tenant)
        if held is None:
            if len(self._held) >= _KNOWN_MAX:
                self._held.clear()
            held = self._held[tenant] = _Held(0, 0, float("-inf"))
        return held

    async def _read(self, tenant: str) -> _Held:
        now, held = self._clock.monotonic(), self._known(tenant)
        if now - held.read_at >= _FRESH_S:
            held.number, held.size = await self._counts.messages_set_aside(tenant, NUMBER_MAX)
            held.read_at = now
        return held

    def _drop(self, tenant: str, held: _Held, error: Exception) -> None:
        self._metrics.events_dropped.labels(_reason(error)).inc()
        held.dropped += 1
        now = self._clock.monotonic()
        if now - held.logged_at >= _LOG_EVERY_S:
            self._log.error("events_dropped", tenant=tenant, events=held.dropped, because=failure_text(error))
            held.dropped, held.logged_at = 0, now


def _reason(error: Exception) -> str:
    match error:
        case _TenantErasedError():
            return "erased"
        case TenantDisabled():
            return "disabled"
        case _:
            return "unreadable"


def _fills(number: int, size: int, parts: int) -> bool:
    """Whether the number or the bytes fill one of `parts` equal parts of the bound."""
    return number * parts >= NUMBER_MAX or size * parts > BYTES_MAX


def _dead_letter(tenant: str, delivery: Message, error: Exception) -> DeadLetterEntry:
    try:
        headers = _encode(dict(delivery.headers))
    except (ValueError, TypeError, UnicodeError):
        headers = None
    return DeadLetterEntry(
        kind="message",
        tenant=tenant,
        reason="bad-event",
        detail=f"{storable(delivery.subject, _SUBJECT_CHARS)}: {failure_text(error)}",
        item=(delivery.subject,),
        headers=headers,
        body=delivery.data,
    )
