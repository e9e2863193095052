"""The guard on every outbound connection: resolve once, check every address, dial a checked one."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

from visapi_common.adapters.fair_semaphore import FairSemaphore
from visapi_common.adapters.on_behalf import TENANT
from visapi_common.core.bounds import Busy
from visapi_common.core.egress_policy import EgressPolicy
from visapi_common.core.errors import TransientFault
from visapi_common.core.fair_job_queue import JobQueueLimits

DNS_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 5.0


class Resolver(Protocol):
    """Resolves a host name into addresses, all of them, in the order to try."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Raises `TransientFault` when resolving fails."""
        ...


Lookup = Callable[..., Sequence[Any]]
"""As `socket.getaddrinfo`: it may block."""
LOOKUPS = JobQueueLimits(at_once=64, per_tenant=16, waiting=4096, waiting_per_tenant=512, bytes_waiting=0)
"""An unanswered lookup occupies its thread until the system resolver gives up."""
ADDRESSES_MAX = 8
"""The most addresses of a name that are tried."""


class SystemResolver:
    """The system resolver with a time limit, shared fairly among tenants.

    It has its own threads, because slow names would occupy all four threads of the event loop.
    """

    def __init__(self, lookup: Lookup = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._slots = FairSemaphore(LOOKUPS, what="the lookup", wait_s=DNS_TIMEOUT_S)
        self._threads = ThreadPoolExecutor(LOOKUPS.at_once, thread_name_prefix="resolver")

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        tenant = TENANT.get()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DNS_TIMEOUT_S):
                await self._slots.acquire(tenant)
                asked = self._threads.submit(self._lookup, host, port, type=socket.SOCK_STREAM)
                asked.add_done_callback(lambda _: _release_slot(loop, self._slots, tenant))
                answers = await asyncio.wrap_future(asked)
        except Busy as busy:
            raise TransientFault(f"the name {host} could not be resolved: {busy}") from busy
        except (TimeoutError, OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, socket.gaierror) else type(error).__name__
            raise TransientFault(f"the name {host} could not be resolved: {reason}") from error
        return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _release_slot(loop: asyncio.AbstractEventLoop, slots: FairSemaphore, tenant: str) -> None:
    """Release the slot of a lookup when its thread has finished."""
    with suppress(RuntimeError):  # the loop has ended, so nothing waits for the slot
        loop.call_soon_threadsafe(slots.release, tenant)


class EgressDialer:
    """Opens TCP connections only to checked addresses."""

    def __init__(self, policy: EgressPolicy, resolver: Resolver | None = None) -> None:
        self.policy = policy
        self._resolver = resolver or SystemResolver()

    async def addresses(self, host: str, port: int, *, trusted: bool = False) -> list[str]:
        """The addresses that may be dialled. Raises `EgressRefused` when any address of the host is
        refused.
        """
        answers = await self._resolver.resolve(host, port)
        if not answers:
            raise TransientFault(f"the name {host} has no address")
        if trusted or self.policy.allows_host(host, port):
            return list(answers)[:ADDRESSES_MAX]
        return [str(address) for address in self.policy.check_addresses(host, answers)][:ADDRESSES_MAX]

    async def dial(
        self, host: str, port: int, *, trusted: bool = False, timeout_s: float = CONNECT_TIMEOUT_S
    ) -> socket.socket:
        """A connected non-blocking socket. `trusted`: the operator configured the host.

        Raises `EgressRefused`, or `TransientFault` when no address answers; in both cases nothing was sent.
        """
        failure: OSError | None = None
        for address in await self.addresses(host, port, trusted=trusted):
            try:
                return await _connect(address, port, timeout_s)
            except OSError as error:
                failure = error
        reason = (failure.strerror or type(failure).__name__) if failure else "no address"
        raise TransientFault(f"{host} cannot be reached: {reason}") from failure

    async def open_connection(
        self, host: str, port: int, *, trusted: bool = False, timeout_s: float = CONNECT_TIMEOUT_S
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`, through the guard."""
        sock = await self.dial(host, port, trusted=trusted, timeout_s=timeout_s)
        return await asyncio.open_connection(sock=sock)


async def _connect(address: str, port: int, timeout_s: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        # Close the socket on cancellation too: there is no other reference to it.
        sock.close()
        raise
    return sock
