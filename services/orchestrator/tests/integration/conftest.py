"""The fixture `stack`: fresh servers of one test, on which it starts what it needs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.orchestration import Stack
from kit.servers import Database, NatsServer


@pytest.fixture
async def stack(postgres_db: Database, nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(postgres_db, nats_server, tmp_path) as running:
        yield running
