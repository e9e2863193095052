"""The release before and this one beside it, on one ledger, under load: forward, and back again.

`make upgrade-test FROM=<commit or tag>` lays the release before out and runs this; HAProxy must be installed. What
is counted: requests that failed, runs that were accepted and not completed, effects that happened twice.
"""

from collections.abc import Iterator

import pytest

from upgrade.background import Background
from upgrade.cluster import Cluster, Replica, cluster
from upgrade.judging import PER_SECOND, judged
from upgrade.releases import FROM, Release, current, previous
from upgrade.traffic import Traffic
from visapi.stack.services import SERVICES

REPLICAS = 2
AMID = 40
"""Runs that are started between one step of an operator and the next."""
TICKS = 45

OLD, NEW = previous(), current()

pytestmark = [
    pytest.mark.timeout(1500),
    pytest.mark.skipif(OLD is None, reason=f"{FROM} is not set: `make upgrade-test` runs this"),
]


@pytest.fixture
def old() -> Release:
    assert OLD is not None
    return OLD


@pytest.fixture
def ledger(old: Release) -> Iterator[tuple[Cluster, Background]]:
    with cluster(old) as running:
        yield running


def test_a_rolling_upgrade_and_its_rollback_lose_nothing(ledger: tuple[Cluster, Background], old: Release):
    services, background = ledger
    for service in SERVICES:
        for _ in range(REPLICAS):
            services.begin(service, old)
    load = Traffic(services, per_second=PER_SECOND)
    try:
        background.run(load.deploy())
        background.run(load.begin())
        _amid(background, load)
        assert services.expand(NEW), "the new release has no migration, and none was tried"
        _amid(background, load)
        background.run(load.follow(4, ticks=3 * TICKS))
        _roll(services, old, NEW)
        _amid(background, load)
        # The way back: grants and schema of the new release stay.
        assert "a later release was here" in services.migrate(old)
        _roll(services, NEW, old)
        _amid(background, load)
        background.run(load.end())
        background.run(load.followed(timeout_s=600))
        judged("rolling, forward and back", services, background, load)
        assert all(follower.streams > 1 for follower in load.followers)
    finally:
        background.run(load.close())


def test_two_whole_sets_behind_a_proxy_are_switched_without_a_failed_request(
    ledger: tuple[Cluster, Background], old: Release
):
    services, background = ledger
    blue = [services.begin(service, old) for service in SERVICES]
    load = Traffic(services, per_second=PER_SECOND)
    try:
        background.run(load.deploy())
        background.run(load.begin())
        _amid(background, load)
        services.expand(NEW)
        green = _beside(services, NEW)
        background.run(load.follow(4, ticks=TICKS))
        _switch(services, blue, green)
        _amid(background, load)
        blue = _beside(services, old)
        background.run(load.follow(4, ticks=TICKS))
        _switch(services, green, blue)
        _amid(background, load)
        background.run(load.end())
        background.run(load.followed(timeout_s=300))
        judged("blue-green, forward and back", services, background, load)
        assert all(follower.streams > 1 for follower in load.followers)
    finally:
        background.run(load.close())


def _amid(background: Background, load: Traffic) -> None:
    background.run(load.started(len(load.accepted) + AMID))


def _roll(services: Cluster, before: Release, after: Release) -> None:
    """Replica after replica, service after service."""
    for replica in services.of(before):
        services.replace(replica, after)
    assert services.of(before) == []


def _beside(services: Cluster, release: Release) -> list[Replica]:
    """A whole set of services, whose gateway gets no requests yet."""
    return [services.begin(service, release, routed=False) for service in SERVICES]


def _switch(services: Cluster, before: list[Replica], after: list[Replica]) -> None:
    """The gateway of the other set gets the requests; then this set is stopped."""
    services.note("switch")
    for replica in after:
        if replica.place:
            services.balancer.open(replica.place)
    for replica in before:
        if replica.place:
            services.balancer.close(replica.place)
    for replica in before:
        services.stop(replica)
