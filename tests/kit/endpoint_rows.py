"""News and messages to endpoints, written by the statements of the orchestrator."""

from datetime import UTC, datetime
from uuid import UUID

from visapi_common.adapters.pool import Pool
from visapi_common.core.endpoint_types import EVENT
from visapi_orchestrator.endpoints.rules.news import News
from visapi_orchestrator.endpoints.rules.subscribed import Message
from visapi_orchestrator.endpoints.store.fan_out import PostgresFanOutLease
from visapi_orchestrator.endpoints.store.history import PostgresHistoryLease


async def add_news(db: Pool, number: int, *, tenant: str, type_: str) -> None:
    """News that wait. Their data are `{"n":1}` and so on."""
    about = "/a" if type_.startswith(EVENT) else "a/b"
    now = datetime.now(UTC)
    news = [News(tenant, type_, about, now, b'{"n":%d}' % n) for n in range(1, number + 1)]
    async with db.acquire() as connection:
        await PostgresHistoryLease(connection).add(news)


async def add_messages(db: Pool, endpoint: UUID, number: int, *, tenant: str) -> None:
    """Messages to one endpoint, about as many news."""
    await add_news(db, number, tenant=tenant, type_="run.completed")
    async with db.acquire() as connection:
        lease = PostgresFanOutLease(connection, tenant)
        waiting = await lease.waiting(number)
        await lease.write([Message(endpoint, one.seq, one.type, one.size) for one in waiting], [])
