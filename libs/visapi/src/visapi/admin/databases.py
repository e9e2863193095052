"""Creates roles and databases: as a superuser on one's own machine, elsewhere as a role that may create
roles, or not at all when everything exists.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncGenerator, Iterable, Mapping

from visapi.admin.scram import verifier
from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, open_connection
from visapi_common.adapters.queries import load_queries
from visapi_common.core.errors import Fault, OperatorFault, TransientFault

OWNER = "visapi_owner"
SERVICE_ROLES = ("visapi_gateway", "visapi_orchestrator", "visapi_notifier")

_QUERIES = load_queries("visapi.admin", "sql/databases.sql")
_CONNECT_TIMEOUT_S = 5.0
_PROBE_TIMEOUT_S = 2.0
_LOOK_S = 0.5
_SALT_BYTES = 16
_STARTING = "57"
"""The SQLSTATE class of a server that is starting or stopping."""


@contextlib.asynccontextmanager
async def connection(url: str, *, timeout_s: float = _CONNECT_TIMEOUT_S) -> AsyncGenerator[Connection]:
    """One connection, closed at the end; its failures are raised as `Fault`."""
    with pg_faults():
        opened = await open_connection(url, timeout_s=timeout_s)
        try:
            yield opened
        finally:
            await opened.close()


async def accepts(url: str) -> bool:
    """Whether the server takes connections; never raises."""
    try:
        async with connection(url, timeout_s=_PROBE_TIMEOUT_S):
            return True
    except Fault:
        return False


async def wait_for_database(url: str, wait_s: float) -> None:
    """Return when the server takes connections. Raises `OperatorFault` at once when it refuses them, and
    `TransientFault` when it is not there after `wait_s`.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            async with connection(url):
                return
        except TransientFault as error:
            refused = isinstance(error, OperatorFault) and error.sort != _STARTING
            if refused or time.monotonic() + _LOOK_S > deadline:
                raise
        await asyncio.sleep(_LOOK_S)


def check_passwords(passwords: Mapping[str, str | None]) -> None:
    """Raises `ValueError` for a password that cannot be used."""
    for role, password in passwords.items():
        try:
            if password is not None:
                verifier(password, bytes(_SALT_BYTES))
        except ValueError as error:
            raise ValueError(f"the password of {role} cannot be used: {error}") from None


async def make_roles(url: str, passwords: Mapping[str, str | None]) -> dict[str, str]:
    """Create each role, or set its password; a role without a password here stays as it is. Returns what was
    done, by role.

    Repeatable. Raises `OperatorFault` with the remedy, `ValueError` for a password that cannot be used.
    """
    verifiers = {
        role: None if password is None else verifier(password, secrets.token_bytes(_SALT_BYTES))
        for role, password in passwords.items()
    }
    async with connection(url) as by:
        return {role: await _make_role(by, role, verified) for role, verified in verifiers.items()}


async def _make_role(by: Connection, role: str, verified: str | None) -> str:
    before = await by.fetchrow(_QUERIES["role"], role)
    if before is not None and (before["superuser"] or before["bypasses_policies"]):
        raise _refused(
            f"the role {role} is a superuser or has BYPASSRLS, and would see every tenant; take that away"
        )
    if verified is None:
        if before is None:
            raise _refused(f"the role {role} does not exist, and no password was given to make it with")
        if not before["may_login"]:
            raise _refused(f"the role {role} may not log in; run: alter role {role} with login")
        return "is there; no password was given, so it keeps its own"
    statement: str = await by.fetchval(_QUERIES["role_statement"], role, verified)
    try:
        with pg_faults():
            await by.execute(statement)
    except OperatorFault as error:
        me = await by.fetchrow(_QUERIES["self"])
        assert me is not None
        if me["superuser"]:
            raise
        raise _refused(
            f"{me['name']} may not {'make' if before is None else 'change'} the role {role}: {error}. "
            f"Connect as a role "
            f"with CREATEROLE (VISAPI_ADMIN_URL), or let an administrator make the role and leave its "
            f"password out here"
        ) from error
    return "was made" if before is None else "is there; its password was set"


async def create_database(
    url: str,
    name: str,
    *,
    owner: str = OWNER,
    template: str = "template0",
    roles: Iterable[str] = SERVICE_ROLES,
) -> bool:
    """Create a database that only its owner and `roles` may connect to; True when new. Repeatable."""
    async with connection(url) as by:
        if await by.fetchval(_QUERIES["database_exists"], name):
            return False
        join: str | None = await by.fetchval(_QUERIES["join_statement"], owner)
        if join is not None:
            await by.execute(join)
        await by.execute(await by.fetchval(_QUERIES["create_database_statement"], name, owner, template))
        await _open_to(by, name, roles)
    return True


async def open_database(url: str, name: str, roles: Iterable[str] = SERVICE_ROLES) -> None:
    """Let only `roles` and the owner connect. Raises `OperatorFault` when the database has another owner and
    refuses them.
    """
    async with connection(url) as by:
        if await by.fetchval(_QUERIES["owns_database"], name):
            await _open_to(by, name, roles)
            return
        for role in roles:
            if not await by.fetchval(_QUERIES["may_connect"], name, role):
                raise _refused(
                    f"{role} may not connect to the database {name}, which belongs to another role; "
                    f"let its owner run: grant connect on database {name} to {role}"
                )


async def _open_to(by: Connection, name: str, roles: Iterable[str]) -> None:
    await by.execute(await by.fetchval(_QUERIES["close_database_statement"], name))
    for role in roles:
        await by.execute(await by.fetchval(_QUERIES["open_database_statement"], name, role))


def _refused(text: str) -> OperatorFault:
    return OperatorFault(text, sort="roles")
