"""Fixtures that every tests folder of the repository has; the root `conftest.py` exposes them.

- `postgres_server`: one cluster for the session, template migrated. Restartable: `kill`, `restart`.
- `postgres_db`: a fresh database for the test, with a URL for each role (`kit.servers.Database`).
- `nats_server`: a server for the test with the stack's users, and `admin`. Restartable, wipeable.
- `seaweed`: one S3 for the session. Restartable: `kill`, `start`.
- `shared_nats`: one for the session, for tests that neither kill it nor mind other streams.
"""

from collections.abc import Iterator

import pytest

from kit.seaweed import Seaweed
from kit.servers import Database, NatsServer, PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's PostgreSQL. A test that kills it calls `restart` before it ends."""
    server = PostgresServer()
    try:
        server.start()
        server.prepare_template()
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_db(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database of the test's own, all migrations applied, tenant `default` present."""
    database = postgres_server.create()
    yield database
    postgres_server.drop(database)


@pytest.fixture
def nats_server() -> Iterator[NatsServer]:
    """A NATS server of the test's own, JetStream on, empty; about 50 ms."""
    server = NatsServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    """The session's S3, about 2 s. A test that kills it starts it again before it ends."""
    server = Seaweed()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def shared_nats() -> Iterator[NatsServer]:
    """A NATS server of the session."""
    server = NatsServer()
    try:
        server.start()
        yield server
    finally:
        server.close()
