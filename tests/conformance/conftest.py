"""One stack and one world for the whole suite."""

from collections.abc import Iterator

import httpx
import pytest

from conformance.world import World
from kit.stack import StackProcess


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.stop()


@pytest.fixture(scope="session")
def api(world: World) -> Iterator[httpx.Client]:
    """A client of the suite's stack, with its key."""
    stack = StackProcess({**world.start(), "VISAPI_LIFECYCLE_EVENTS": "all"})
    try:
        ready = stack.start()
        headers = {"Authorization": f"Bearer {ready.api_key}"}
        client = httpx.Client(base_url=ready.gateway, headers=headers, timeout=20, trust_env=False)
        with world.listening(ready.nats), client:
            yield client
    finally:
        stack.close()
