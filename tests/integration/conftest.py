"""One database of big tables for each file."""

from collections.abc import Iterator

import pytest

from kit.big_tables import Big
from kit.servers import PostgresServer


@pytest.fixture(scope="module")
def big(postgres_server: PostgresServer) -> Iterator[Big]:
    made = postgres_server.create()
    yield Big(made)
    postgres_server.drop(made)
