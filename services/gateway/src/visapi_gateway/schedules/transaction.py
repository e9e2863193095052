"""Statements of schedules and listeners for the transaction of a deployment."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from visapi_common.adapters.pool import Connection
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.subjects import partition_of

_SQL = load_queries("visapi_gateway.schedules", "queries.sql")


async def put_schedule(
    connection: Connection, schedule: UUID, version: Sequence[object], spec: bytes, *, paused: bool
) -> None:
    """Give a workflow its schedule. `version` is tenant, namespace, name, version and program."""
    await connection.execute(_SQL["put_schedule"], schedule, *version, spec, paused)


async def present_schedule(
    connection: Connection, name: tuple[str, str, str]
) -> Literal["times", "events"] | None:
    """The kind of schedule of a workflow: at times, or `on` events, which has a listener."""
    return await connection.fetchval(_SQL["present_schedule"], *name)


async def remove_schedule(connection: Connection, name: tuple[str, str, str]) -> None:
    """Remove the schedule of a workflow, if there is one."""
    await connection.execute(_SQL["remove_schedule"], *name)


async def lock_workflow(connection: Connection, name: tuple[str, str, str]) -> None:
    """Let no other deployment of the workflow decide about its schedule until the transaction ends."""
    await connection.execute(_SQL["lock_workflow"], *name)


async def stop_listener(connection: Connection, name: tuple[str, str, str]) -> None:
    """Cancel the run that listens for the events of a workflow. Events that are matched before this
    transaction still reach that run; the others wait for the end of the transaction.
    """
    await connection.execute(_SQL["lock_listeners"], name[0])
    await connection.execute(_SQL["stop_listener"], *name)


async def put_listener(
    connection: Connection, run: UUID, version: Sequence[object], given: bytes, started_by: str
) -> None:
    """Start the run that listens for the events of a workflow. `version` as for `put_schedule`."""
    await connection.execute(_SQL["put_listener"], run, *version, partition_of(run), given, started_by)
