"""Connections to PostgreSQL, and transactions that see the rows of some tenants only."""

import logging
import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, Literal, Protocol, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from visapi_common.adapters.pg_faults import CONNECTION_BROKEN, pg_faults
from visapi_common.adapters.pooler import connection_class
from visapi_common.adapters.queries import load_queries
from visapi_common.core.postgres_url import one_by_one

Row = Mapping[str, Any]
"""A row of a result; columns by name, as asyncpg decoded them."""


class Connection(Protocol):
    """The parts of an asyncpg connection that callers use; asyncpg ships without types."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str: ...
    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[Row]: ...
    async def fetchrow(self, query: str, *args: object, timeout: float | None = None) -> Row | None: ...
    async def fetchval(self, query: str, *args: object, timeout: float | None = None) -> Any: ...
    def transaction(self) -> AbstractAsyncContextManager[Any]: ...
    async def close(self) -> None: ...
    def is_closed(self) -> bool: ...
    def terminate(self) -> None: ...


class Pool(Protocol):
    """The parts of an asyncpg pool that callers use; each shortcut borrows a connection for one statement."""

    def acquire(self, *, timeout: float | None = None) -> AbstractAsyncContextManager[Connection]: ...
    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str: ...
    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[Row]: ...
    async def fetchrow(self, query: str, *args: object, timeout: float | None = None) -> Row | None: ...
    async def fetchval(self, query: str, *args: object, timeout: float | None = None) -> Any: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...


Urls = str | Callable[[], Sequence[str]]
"""A URL, or a function that gives at least one: the same servers with the passwords that may be valid now."""

Pooler = Literal["none", "transaction"]
"""The pooler between a service and PostgreSQL, if any."""

LIMITED_TO: ContextVar[Collection[str] | None] = ContextVar("visapi_limited_to", default=None)
"""The workflows that the current task may see, as `namespace/name` or `namespace/*`; None: all. Policies of
the ledger hide the others from its transactions.
"""

_log = logging.getLogger("visapi.pool")
_QUERIES = load_queries("visapi_common.adapters", "sql/pool.sql")
_driver: Any = asyncpg
"""asyncpg ships without types; the protocols below name what callers receive."""
_TENANT = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_WORKFLOW = re.compile(r"[a-z0-9-]{1,63}/([a-z0-9-]{1,63}|\*)")
_NO_WORKFLOW = "-"
"""No workflow has this name; an empty list would show all."""
_COMMAND_TIMEOUT_S = 10.0
_CONNECT_TIMEOUT_S = 5.0
_IDLE_S = 300.0
_EVERY_SESSION = {"search_path": "visapi", "jit": "off", "idle_in_transaction_session_timeout": "30s"}
"""PostgreSQL ends a transaction whose client is silent for so long. The packets of a client may get lost, and
then its locks would be held for as long as the kernel keeps the connection: for hours.
"""

_OF_THE_HOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    *CONNECTION_BROKEN,
    OSError,
    TimeoutError,
)
"""Errors of one host among several; every host would refuse a wrong password."""
_OF_THE_PASSWORD = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.ProtocolViolationError)
"""PgBouncer reports a wrong password with the second."""


async def open_pool(
    url: Urls,
    *,
    size: int,
    application: str,
    session: Mapping[str, str] | None = None,
    on_statement: Callable[[Any], None] | None = None,
    pooler: Pooler = "none",
) -> Pool:
    """Open a pool of at most `size` connections in schema `visapi`; `session` adds settings, `on_statement`
    is called with asyncpg's `LoggedQuery` after each statement, and `pooler` says what stands between.

    Sessions keep no state between users of a connection (`set local` only), so asyncpg's reset at each
    release, which costs a round trip, is disabled. Connections are opened on demand, so a service starts
    while PostgreSQL is away. Several hosts are tried one by one, each with its own time limit; the host that
    served last is tried first. Where `url` is a function, it is asked at each connection, and the next of its
    URLs is tried when PostgreSQL refuses the password of one.
    """
    hosts = _Hosts(url, on_statement)
    with pg_faults():
        pool = await _driver.create_pool(
            hosts.urls[0],
            min_size=0,
            max_size=size,
            command_timeout=_COMMAND_TIMEOUT_S,
            timeout=_CONNECT_TIMEOUT_S,
            max_inactive_connection_lifetime=_IDLE_S,
            max_cached_statement_lifetime=0,
            reset=_keep,
            connect=hosts.connect,
            **_session(application, {**_EVERY_SESSION, **(session or {})}, pooler),
        )
    return cast(Pool, pool)


def _session(application: str, settings: Mapping[str, str], pooler: Pooler) -> dict[str, Any]:
    """The settings at the start of a session, or, behind a pooler, at the start of each transaction."""
    known = {"application_name": application, "timezone": "UTC"}
    if pooler == "none":
        return {"server_settings": {**known, **settings}}
    # PgBouncer refuses other parameters at the start, and keeps no prepared statement for the client.
    own = connection_class(settings)
    return {"server_settings": known, "statement_cache_size": 0, "connection_class": own}


async def open_connection(url: str, *, timeout_s: float = _CONNECT_TIMEOUT_S) -> Connection:
    """One connection outside any pool; the caller closes it. Raises `TransientFault`."""
    with pg_faults():
        return await _Hosts(url).connect(timeout=timeout_s)


class _Hosts:
    """The hosts of a URL. asyncpg gives all of them one time-out together, so that a first host which answers
    nothing would take the time of the others.
    """

    def __init__(self, url: Urls, on_statement: Callable[[Any], None] | None = None) -> None:
        self._urls: Callable[[], Sequence[str]] = (lambda: (url,)) if isinstance(url, str) else url
        self._first = 0
        self._accepted = ""
        self._on_statement = on_statement

    @property
    def urls(self) -> Sequence[str]:
        """The URLs that are known now; while a password is rotated, the one that served last comes first."""
        return sorted(self._urls(), key=lambda url: url != self._accepted)

    async def connect(self, _url: str | None = None, *, timeout: float, **options: Any) -> Any:
        """A connection to the first host that accepts one. Raises the exception of the last host."""
        urls = self.urls
        for url in urls[:-1]:
            try:
                return await self._connect_by(url, timeout, options)
            except _OF_THE_PASSWORD as refused:
                _log.info("PostgreSQL refuses one of %d passwords: %s", len(urls), refused)
        return await self._connect_by(urls[-1], timeout, options)

    async def _connect_by(self, url: str, timeout: float, options: dict[str, Any]) -> Any:
        hosts = one_by_one(url)
        order = [(self._first + step) % len(hosts) for step in range(len(hosts))]
        for position in order[:-1]:
            try:
                return await self._connect_to(position, url, timeout, options)
            except _OF_THE_HOST as error:
                _log.info("PostgreSQL host %d of %d: %r", position + 1, len(order), error)
        return await self._connect_to(order[-1], url, timeout, options)

    async def _connect_to(self, position: int, url: str, timeout: float, options: dict[str, Any]) -> Any:
        connection = await _driver.connect(one_by_one(url)[position], timeout=timeout, **options)
        self._first, self._accepted = position, url
        if self._on_statement is not None:
            connection.add_query_logger(self._on_statement)
        return connection


async def _keep(_connection: object) -> None:
    return None


@asynccontextmanager
async def tenant_transaction(
    pool: Pool, tenants: Collection[str], *, unknown_tenants: bool = False
) -> AsyncGenerator[Connection]:
    """A transaction that sees and writes only rows of `tenants`; with `unknown_tenants` also dead letters
    whose tenant does not exist.

    Raises `UnknownFault` when the connection is lost during the commit: the caller rereads its rows on a
    fresh connection, or reports an unknown outcome.
    """
    begin = _QUERIES["begin_for_tenants"].replace("{tenants}", _tenant_list(tenants))
    limited_to = LIMITED_TO.get()
    if limited_to is not None:
        begin = f"{begin}; {_QUERIES['and_workflows'].replace('{workflows}', _workflow_list(limited_to))}"
    if unknown_tenants:
        begin = f"{begin}; {_QUERIES['and_unknown_tenants']}"
    with pg_faults():
        async with pool.acquire() as connection:
            await connection.execute(begin)
            try:
                yield connection
            except BaseException:
                # Also on cancellation: no connection may return to the pool within a transaction.
                await _roll_back(connection)
                raise
            with pg_faults(effect=True):
                await connection.execute(_QUERIES["commit"])


async def _roll_back(connection: Connection) -> None:
    if connection.is_closed():
        return
    try:
        await connection.execute(_QUERIES["rollback"])
    except (asyncpg.PostgresError, *CONNECTION_BROKEN, OSError, TimeoutError):
        connection.terminate()


def _workflow_list(workflows: Collection[str]) -> str:
    for workflow in workflows:
        assert _WORKFLOW.fullmatch(workflow), f"not a workflow: {workflow!r}"
    return ",".join(sorted(workflows)) or _NO_WORKFLOW


def _tenant_list(tenants: Collection[str]) -> str:
    for tenant in tenants:
        assert _TENANT.fullmatch(tenant), f"not a tenant id: {tenant!r}"
    return ",".join(sorted(set(tenants)))
