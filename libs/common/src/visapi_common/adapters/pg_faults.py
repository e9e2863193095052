"""The one place that translates failures of PostgreSQL and of its connections into faults."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from visapi_common.core.errors import ContentFault, Fault, OperatorFault, TransientFault, UnknownFault
from visapi_common.core.failures import kind_of_sqlstate

CONNECTION_BROKEN = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""A connection that died between two messages raises the second error, because its protocol state is not
idle.
"""
_UNENCODABLE = getattr(asyncpg.exceptions, "_base").DataError  # noqa: B009 (the package exports another of this name)
"""Raised for a parameter that PostgreSQL cannot represent, such as a number that is too large. Nothing was
sent.
"""
_OF_A_POOLER = "unsupported startup parameter"
_MEND_POOLER = "; a pooler answers here: connect directly, or set VISAPI_POSTGRES_POOLER=transaction"
_GOES_AWAY_CLASSES = frozenset({"08", "57"})
"""Error classes that end the session: the current statement may have been committed."""


@contextmanager
def pg_faults(*, effect: bool = False) -> Generator[None]:
    """Translate asyncpg's and the socket's exceptions.

    A lost connection or a timeout is an `UnknownFault` where `effect` says that the body may have committed
    something, else a `TransientFault`. A refusal because of the contents is a `ContentFault`, a refusal that
    the operator has to fix an `OperatorFault` (`core.failures`).
    """
    lost = UnknownFault if effect else TransientFault
    try:
        yield
    except asyncpg.PostgresError as error:
        state: str = getattr(error, "sqlstate", None) or "XX000"
        if effect and state[:2] in _GOES_AWAY_CLASSES:
            raise UnknownFault(_refusal_text(error, state)) from error
        raise _refusal(error, state) from error
    except _UNENCODABLE as error:
        raise ContentFault(f"PostgreSQL cannot store it: {error}") from error
    except CONNECTION_BROKEN as error:
        raise lost(f"PostgreSQL: {error}") from error
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise lost(f"PostgreSQL cannot be reached or does not answer: {error!r}") from error


def _refusal(error: asyncpg.PostgresError, state: str) -> Fault:
    match kind_of_sqlstate(state):
        case "transient":
            return TransientFault(_refusal_text(error, state))
        case "operator":
            return OperatorFault(_refusal_text(error, state), sort=state[:2])
        case "contents":
            return ContentFault(_refusal_text(error, state))


def _refusal_text(error: asyncpg.PostgresError, state: str) -> str:
    message = str(error.args[0] if error.args else repr(error))
    mend = _MEND_POOLER if _OF_A_POOLER in message else ""
    return f"PostgreSQL refused ({state}): {message}{mend}"
