"""One rented PostgreSQL for each file of tests, empty again for each test."""

from collections.abc import Iterator

import pytest

from kit import managed_postgres
from kit.managed_postgres import PASSWORDS, Cluster
from kit.servers import PostgresServer


@pytest.fixture(scope="module")
def rented_server() -> Iterator[PostgresServer]:
    yield from managed_postgres.rented_server()


@pytest.fixture
def cluster(rented_server: PostgresServer) -> Iterator[Cluster]:
    yield from managed_postgres.rented(rented_server)


@pytest.fixture
def migrated(cluster: Cluster) -> Cluster:
    assert cluster.command("roles", visapi_owner_url=cluster.master, **PASSWORDS).returncode == 0
    assert cluster.command("migrate", visapi_owner_url=cluster.master).returncode == 0
    return cluster
