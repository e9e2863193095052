"""How many requests, streams and buffered bytes a client may hold at once, and the problems beyond that."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from visapi_common.core.errors import ProblemError
from visapi_common.core.shares import Share
from visapi_common.telemetry.catalogue import Metrics
from visapi_gateway.kernel.asgi.client_address import ClientAddresses, networks
from visapi_gateway.settings import GatewaySettings

RETRY_AFTER_S = 2


@dataclass(frozen=True, slots=True)
class Bounds:
    """All limits of one gateway; `settings.py` explains each."""

    connections: int
    connections_per_address: int
    requests: int
    requests_per_key: int
    streams: int
    streams_per_key: int
    buffered_bytes: int
    head_s: float
    body_s: float
    body_bytes_per_s: int
    answer_s: float
    answer_bytes_per_s: int
    idle_s: float


class Connection(Protocol):
    """The connection of a request."""

    proven: bool

    @property
    def gone(self) -> bool:
        """Whether the client is gone."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether a write would return at once."""
        ...

    @property
    def body_is_here(self) -> bool:
        """Whether the next part of the body can be read at once."""
        ...

    def abort(self, reason: str) -> None:
        """Close the connection and drop unsent bytes."""
        ...


class Capacity:
    """The slots for requests and streams, and the buffered bytes, of one gateway."""

    def __init__(
        self, bounds: Bounds, addresses: ClientAddresses, metrics: Metrics, draining: Callable[[], bool]
    ) -> None:
        self.bounds = bounds
        self.draining = draining
        """Whether connections should be closed."""
        self.addresses = addresses
        self.metrics = metrics
        self.requests = SlotPool("requests", bounds.requests, bounds.requests_per_key)
        self.streams = SlotPool("streams", bounds.streams, bounds.streams_per_key)
        self.buffered = Share(bounds.buffered_bytes)
        metrics.http_requests_held.set_function(lambda: self.requests.used)
        metrics.http_streams_held.set_function(lambda: self.streams.used)
        metrics.http_buffered_bytes.set_function(lambda: self.buffered.used)

    def buffer(self, holder: str, size: int) -> bool:
        """Count bytes that wait in memory for this holder; false where they exceed its share."""
        if not self.buffered.take(holder, size):
            self.refused("memory")
            return False
        return True

    def unbuffer(self, holder: str, size: int) -> None:
        self.buffered.give_back(holder, size)

    def refused(self, bound: str) -> None:
        self.metrics.http_refused.labels(bound).inc()


def open_capacity(settings: GatewaySettings, metrics: Metrics, draining: Callable[[], bool]) -> Capacity:
    """Build the limits from the settings. Raises `ValueError` for a trusted proxy that is not an address."""
    bounds = Bounds(
        connections=settings.connections_max,
        connections_per_address=settings.connections_per_address,
        requests=settings.requests_max,
        requests_per_key=settings.requests_per_key,
        streams=settings.streams_max,
        streams_per_key=settings.streams_per_key,
        buffered_bytes=settings.buffered_bytes_max,
        head_s=settings.head_s,
        body_s=settings.body_s,
        body_bytes_per_s=settings.body_bytes_per_s,
        answer_s=settings.answer_s,
        answer_bytes_per_s=settings.answer_bytes_per_s,
        idle_s=settings.idle_s,
    )
    return Capacity(bounds, ClientAddresses(networks(settings.trusted_proxies)), metrics, draining)


class SlotPool:
    """Slots of one kind, shared among tenants (or addresses without a key) and among the keys of each
    tenant.
    """

    def __init__(self, name: str, total: int, per_key: int) -> None:
        self.name = name
        self._tenants = Share(total)
        self._keys = Share(total, per_key)

    @property
    def used(self) -> int:
        return self._tenants.used

    def take(self, tenant: str, key: str) -> str | None:
        """Take a slot. Returns None, or the holder of too many."""
        if not self._keys.take(key):
            return "the key" if self._keys.held(key) else "everybody"
        if not self._tenants.take(tenant):
            self._keys.give_back(key)
            return "the tenant" if self._tenants.held(tenant) else "everybody"
        return None

    def give_back(self, tenant: str, key: str) -> None:
        self._keys.give_back(key)
        self._tenants.give_back(tenant)


class RequestSlot:
    """The slot of one request: a request slot, later perhaps a stream slot."""

    __slots__ = ("_capacity", "_holder", "_pool", "connection", "peer")

    def __init__(self, capacity: Capacity, peer: str, connection: Connection | None) -> None:
        self._capacity = capacity
        self._pool: SlotPool | None = None
        self._holder = (peer, peer)
        self.peer = peer
        self.connection = connection

    @property
    def who(self) -> str:
        """The holder of buffered bytes."""
        return self._holder[0]

    def enter(self, tenant: str | None = None, key: str | None = None) -> None:
        """Take a request slot for a key, or for the address. Raises `ProblemError` 429 and 503."""
        if tenant is not None and key is not None:
            self._holder = (tenant, key)
            if self.connection is not None:
                self.connection.proven = True
        if (over := self._take(self._capacity.requests)) is not None:
            raise self._too_many(self._capacity.requests, over)

    def pass_to(self, tenant: str, key: str) -> None:
        """Exchange the request slot of an address for one of a tenant, once the request's tenant is known.
        The connection stays unproven. Raises `ProblemError` 429 and 503.
        """
        pool, before = self._pool, self._holder
        self._holder = (tenant, key)
        if pool is None:
            return
        if (over := self._take(pool)) is not None:
            self._holder = before
            raise self._too_many(pool, over)
        pool.give_back(*before)

    def follow(self) -> None:
        """Exchange the request slot for a stream slot. Raises `ProblemError` 429 and 503."""
        over = self._become_stream()
        if over is not None:
            raise self._too_many(self._capacity.streams, over)

    def may_wait(self) -> bool:
        """Like `follow`, but returns false where no slot is free."""
        return self._become_stream() is None

    def leave(self) -> None:
        if self._pool is not None:
            self._pool.give_back(*self._holder)
            self._pool = None

    def _become_stream(self) -> str | None:
        before, self._pool = self._pool, None
        over = self._take(self._capacity.streams)
        if over is not None:
            self._pool = before
        elif before is not None:
            before.give_back(*self._holder)
        return over

    def _take(self, kind: SlotPool) -> str | None:
        over = kind.take(*self._holder)
        if over is None:
            self._pool = kind
        else:
            self._capacity.refused(kind.name)
        return over

    def _too_many(self, kind: SlotPool, over: str) -> ProblemError:
        retry = {"Retry-After": str(RETRY_AFTER_S), "Connection": "close"}
        if over == "everybody":
            detail = (
                f"as many {kind.name} are open as this replica serves at once; send the request again later"
            )
            return ProblemError("unavailable", detail, status=503, headers=retry)
        holder = "the address" if self._holder[0] == self._holder[1] else over
        detail = (
            f"{holder} has as many {kind.name} open as it may have at once; end some, or send the request "
            "again later"
        )
        return ProblemError("too_many_open", detail, status=429, headers=retry)
