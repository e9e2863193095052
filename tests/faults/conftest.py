"""Servers without services, for tests that start and kill one service alone; `test_kill_matrix.py` has the whole stack."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.orchestration import Stack
from kit.servers import Database, NatsServer


@pytest.fixture
async def stack(postgres_db: Database, nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Stack]:
    async with Stack(postgres_db, nats_server, tmp_path) as running:
        yield running
