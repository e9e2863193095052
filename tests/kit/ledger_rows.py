"""Rows of the ledger as no service leaves them: damaged, lost, or older than they are.

Where a test needs a row as a service writes it, the store of that service writes it (`kit.gateway_rows`,
`kit.orchestrator_rows`). These functions stand for what no store does: somebody edits a table, a row is gone,
and hours pass that no test can wait for.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol
from uuid import uuid4

import msgspec

from visapi_orchestrator.events.set_aside_messages import BYTES_MAX


class Executor(Protocol):
    """A connection, or a pool of connections."""

    async def execute(self, query: str, *args: object) -> str: ...


async def plant(database: Executor, table: str, **columns: object) -> None:
    """Insert a row that no store would write, such as one with unreadable bytes."""
    places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    statement = f"insert into visapi.{table} ({', '.join(columns)}) values ({places})"
    await database.execute(statement, *columns.values())


async def plant_all(database: Executor, table: str, rows: Sequence[Mapping[str, object]]) -> None:
    """As `plant`, for many rows with the same columns, in one statement."""
    columns = ", ".join(rows[0])
    statement = (
        f"insert into visapi.{table} ({columns})"
        f" select {columns} from json_populate_recordset(null::visapi.{table}, $1)"
    )
    await database.execute(statement, msgspec.json.encode([_readable(row) for row in rows]).decode())


def full_of_messages(tenant: str, *, room: int = 0) -> dict[str, object]:
    """The columns of a dead letter of a message as large as thousands, which leaves room for so many bytes."""
    return {
        "id": uuid4(),
        "tenant": tenant,
        "service": "orchestrator",
        "reason": "bad-event",
        "detail": "",
        "kind": "message",
        "body": b"x" * (BYTES_MAX - room),
        "digest": b"earlier",
    }


async def overwrite(database: Executor, table: str, where: Mapping[str, object], **columns: object) -> int:
    """Change rows behind the back of every store; return how many. An empty `where` means all rows."""
    changes = ", ".join(f"{column} = ${n}" for n, column in enumerate(columns, 1))
    condition = _condition(where, after=len(columns))
    statement = f"update visapi.{table} set {changes}{condition}"
    return _number(await database.execute(statement, *columns.values(), *where.values()))


async def lose(database: Executor, table: str, **where: object) -> int:
    """Delete rows; return how many. Without `where` all are lost."""
    statement = f"delete from visapi.{table}{_condition(where, after=0)}"
    return _number(await database.execute(statement, *where.values()))


async def move_back(database: Executor, table: str, by: timedelta, *columns: str, **where: object) -> int:
    """Move times of rows into the past, because PostgreSQL's clock cannot be set; return how many rows."""
    changes = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
    statement = f"update visapi.{table} set {changes}{_condition(where, after=1)}"
    return _number(await database.execute(statement, by, *where.values()))


def _condition(where: Mapping[str, Any], *, after: int) -> str:
    tests = [
        f"{column} = any(${n})" if isinstance(value, list) else f"{column} = ${n}"
        for n, (column, value) in enumerate(where.items(), after + 1)
    ]
    return f" where {' and '.join(tests)}" if tests else ""


def _readable(row: Mapping[str, object]) -> dict[str, object]:
    """A row as PostgreSQL reads it from JSON: bytes are written in hex."""
    return {
        column: f"\\x{value.hex()}" if isinstance(value, bytes) else value for column, value in row.items()
    }


def _number(status: str) -> int:
    return int(status.rpartition(" ")[2])
