"""What has to happen on a stack, beside its ordinary traffic, so that every panel has something to show."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator

from alerts import disturbances, ticket_faults
from alerts.ground import PASSING, Ground
from alerts.page_faults import grant_missing

ASIDE = "  - ask: {call: http, with: {method: get, endpoint: 'http://10.1.2.3/'}}"
GRANT_S = 6.0
LETTERS = 60
SCRAPED_TWICE_S = 22.0


def missing_workflow(ground: Ground) -> None:
    ground.client.post("/v1/workflows/alerts/missing/runs", json={})


def egress_refused(ground: Ground) -> None:
    ground.deploy("aside", ASIDE)
    ground.begin("aside")


def unreadable_events(ground: Ground) -> None:
    ticket_faults.unreadable_event(ground)
    ticket_faults.unreadable_result(ground)
    ticket_faults.newer_heartbeat(ground)


def webhooks(ground: Ground) -> None:
    """One to the hook's address, and one to an address that was never given out."""
    hook = (
        ground.client.post("/v1/hooks", json={"name": "observed", "provider": "none"})
        .raise_for_status()
        .json()
    )
    for address in (hook["path"], f"/v1/hooks/in/{'0' * 40}"):
        ground.client.post(address, json={"paid": True})


def followers(ground: Ground) -> None:
    ticket_faults.prepare_night(ground)
    ticket_faults.too_many_followers(ground)


def wrong_keys(ground: Ground) -> None:
    for _ in range(10):
        disturbances.wrong_key(ground)


def letters(ground: Ground) -> None:
    for _ in range(LETTERS):
        disturbances.letters(ground)


def grant_missing_for_a_while(ground: Ground) -> None:
    with grant_missing(ground):
        time.sleep(GRANT_S)


def all_is_scraped_twice(ground: Ground) -> None:
    """The counters of a process end with it, and a rate needs two scrapes."""
    del ground
    time.sleep(SCRAPED_TWICE_S)


def nats_dies(ground: Ground) -> None:
    ground.restart("nats", signal.SIGKILL)


def notifier_dies(ground: Ground) -> None:
    with ticket_faults.notifier_dies_at_work(ground):
        pass


HAPPENINGS: tuple[Callable[[Ground], None], ...] = (
    missing_workflow,
    egress_refused,
    unreadable_events,
    webhooks,
    ticket_faults.chat_breaks,
    ticket_faults.family_too_large,
    followers,
    wrong_keys,
    disturbances.one_spins,
    disturbances.duplicates,
    letters,
    ticket_faults.kill_browser,
    grant_missing_for_a_while,
    all_is_scraped_twice,
    nats_dies,
    notifier_dies,
)


def happen(ground: Ground) -> Iterator[str]:
    """Do it all, one after the other; the name of each."""
    for each in HAPPENINGS:
        with contextlib.suppress(*PASSING):
            each(ground)
        yield each.__name__.replace("_", " ")
