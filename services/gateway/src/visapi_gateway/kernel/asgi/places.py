"""How much one peer may ask of the gateway at once, and what it hears beyond that."""

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
    """All bounds of one gateway; `settings.py` says what each means."""

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
    """What a request may do with the connection it came on."""

    proven: bool

    @property
    def gone(self) -> bool:
        """Whether nobody reads what is written."""
        ...

    @property
    def has_room(self) -> bool:
        """Whether a write would not wait."""
        ...

    @property
    def body_is_here(self) -> bool:
        """Whether reading the next part of the body would not wait."""
        ...

    def abort(self, reason: str) -> None:
        """Cut it off, whatever is still to be sent."""
        ...


class Places:
    """The places of all requests, streams and buffered bytes of one gateway."""

    def __init__(
        self, bounds: Bounds, addresses: ClientAddresses, metrics: Metrics, draining: Callable[[], bool]
    ) -> None:
        self.bounds = bounds
        self.draining = draining
        """Tells whether connections should end."""
        self.addresses = addresses
        self.metrics = metrics
        self.requests = Kind("requests", bounds.requests, bounds.requests_per_key)
        self.streams = Kind("streams", bounds.streams, bounds.streams_per_key)
        self.buffered = Share(bounds.buffered_bytes)
        metrics.http_requests_held.set_function(lambda: self.requests.used)
        metrics.http_streams_held.set_function(lambda: self.streams.used)
        metrics.http_buffered_bytes.set_function(lambda: self.buffered.used)

    def buffer(self, holder: str, size: int) -> bool:
        """Whether so many bytes may wait in memory for this holder."""
        if not self.buffered.take(holder, size):
            self.refused("memory")
            return False
        return True

    def unbuffer(self, holder: str, size: int) -> None:
        self.buffered.give_back(holder, size)

    def refused(self, bound: str) -> None:
        self.metrics.http_refused.labels(bound).inc()


def open_places(settings: GatewaySettings, metrics: Metrics, draining: Callable[[], bool]) -> Places:
    """The bounds that the settings give. Raises `ValueError` for a trusted proxy that is no address."""
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
    return Places(bounds, ClientAddresses(networks(settings.trusted_proxies)), metrics, draining)


class Kind:
    """Places of one kind, shared by tenants (or addresses without a key), and by the keys of each tenant."""

    def __init__(self, name: str, total: int, per_key: int) -> None:
        self.name = name
        self._tenants = Share(total)
        self._keys = Share(total, per_key)

    @property
    def used(self) -> int:
        return self._tenants.used

    def take(self, tenant: str, key: str) -> str | None:
        """Who holds too many, or None when the place was taken."""
        if not self._keys.take(key):
            return "the key" if self._keys.held(key) else "everybody"
        if not self._tenants.take(tenant):
            self._keys.give_back(key)
            return "the tenant" if self._tenants.held(tenant) else "everybody"
        return None

    def give_back(self, tenant: str, key: str) -> None:
        self._keys.give_back(key)
        self._tenants.give_back(tenant)


class Holding:
    """The place that one request holds: that of a request, then perhaps that of a stream."""

    __slots__ = ("_holder", "_kind", "_places", "connection", "peer")

    def __init__(self, places: Places, peer: str, connection: Connection | None) -> None:
        self._places = places
        self._kind: Kind | None = None
        self._holder = (peer, peer)
        self.peer = peer
        self.connection = connection

    @property
    def who(self) -> str:
        """For whom bytes are buffered."""
        return self._holder[0]

    def enter(self, tenant: str | None = None, key: str | None = None) -> None:
        """Take a request's place for a key, or for the address. Raises `ProblemError` 429 and 503."""
        if tenant is not None and key is not None:
            self._holder = (tenant, key)
            if self.connection is not None:
                self.connection.proven = True
        if (over := self._take(self._places.requests)) is not None:
            raise self._too_many(self._places.requests, over)

    def follow(self) -> None:
        """Give the request's place for that of a stream. Raises `ProblemError` 429 and 503."""
        over = self._become_stream()
        if over is not None:
            raise self._too_many(self._places.streams, over)

    def may_wait(self) -> bool:
        """As `follow`; false where no place is free."""
        return self._become_stream() is None

    def leave(self) -> None:
        if self._kind is not None:
            self._kind.give_back(*self._holder)
            self._kind = None

    def _become_stream(self) -> str | None:
        before, self._kind = self._kind, None
        over = self._take(self._places.streams)
        if over is not None:
            self._kind = before
        elif before is not None:
            before.give_back(*self._holder)
        return over

    def _take(self, kind: Kind) -> str | None:
        over = kind.take(*self._holder)
        if over is None:
            self._kind = kind
        else:
            self._places.refused(kind.name)
        return over

    def _too_many(self, kind: Kind, over: str) -> ProblemError:
        retry = {"Retry-After": str(RETRY_AFTER_S), "Connection": "close"}
        if over == "everybody":
            detail = f"as many {kind.name} are open as this replica serves at once; send it again later"
            return ProblemError("unavailable", detail, status=503, headers=retry)
        holder = "the address" if self._holder[0] == self._holder[1] else over
        detail = (
            f"{holder} has as many {kind.name} open as it may have at once; end some, or send it again later"
        )
        return ProblemError("too_many_open", detail, status=429, headers=retry)
