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
    """FairSemaphore a host name into addresses, all of them, in the order to try."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Raises `TransientFault` when there is no answer."""
        ...


Lookup = Callable[..., Sequence[Any]]
"""As `socket.getaddrinfo`: it may block."""
LOOKUPS = JobQueueLimits(at_once=64, per_tenant=16, waiting=4096, waiting_per_tenant=512, bytes_waiting=0)
"""A lookup that nobody answers keeps its thread for as long as the machine's resolver is patient."""
ADDRESSES_MAX = 8
"""Of a name that has more, the first ones are tried."""


class SystemResolver:
    """The machine's own resolver, bounded in time; one tenant's names keep no other tenant's waiting.

    It has threads of its own: those of the event loop are four, and slow names would keep all of them.
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
                asked.add_done_callback(lambda _: _told(loop, self._slots, tenant))
                answers = await asyncio.wrap_future(asked)
        except Busy as busy:
            raise TransientFault(f"the name {host} could not be resolved: {busy}") from busy
        except (TimeoutError, OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, socket.gaierror) else type(error).__name__
            raise TransientFault(f"the name {host} could not be resolved: {reason}") from error
        return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _told(loop: asyncio.AbstractEventLoop, slots: FairSemaphore, tenant: str) -> None:
    """A lookup has ended, in its thread: only then may the next one begin."""
    with suppress(RuntimeError):  # the loop has ended, and with it everything that waits
        loop.call_soon_threadsafe(slots.release, tenant)


class EgressDialer:
    """Opens TCP connections to checked addresses only."""

    def __init__(self, policy: EgressPolicy, resolver: Resolver | None = None) -> None:
        self.policy = policy
        self._resolver = resolver or SystemResolver()

    async def addresses(self, host: str, port: int, *, trusted: bool = False) -> list[str]:
        """The addresses that may be dialled. One refused answer refuses the host: `EgressRefused`."""
        answers = await self._resolver.resolve(host, port)
        if not answers:
            raise TransientFault(f"the name {host} has no address")
        if trusted or self.policy.allows_host(host, port):
            return list(answers)[:ADDRESSES_MAX]
        return [str(address) for address in self.policy.check_addresses(host, answers)][:ADDRESSES_MAX]

    async def dial(
        self, host: str, port: int, *, trusted: bool = False, timeout_s: float = CONNECT_TIMEOUT_S
    ) -> socket.socket:
        """A connected non-blocking socket. `trusted` is for hosts that the operator configured.

        Raises `EgressRefused`, or `TransientFault` when nobody answers; nothing was sent in either case.
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
        # Also when it is cancelled: nobody else knows of the socket.
        sock.close()
        raise
    return sock
