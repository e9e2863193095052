"""What is done to a stack on a game day, by the name that the experiments use.

A blow lasts until it is healed; one that heals by itself is over as soon as it was struck.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from alerts.monitoring import Monitoring
from alerts.page_faults import nats_gone, nats_store_lost
from gamedays.place import Place
from gamedays.zone import Cable
from visapi.stack.processes import wait_for
from visapi.stack.standins.faults import Fault, FaultKind
from visapi.stack.standins.smtp_sink import SmtpFault

BROKEN_MAILS = 5
MANY = 100_000


@dataclass(frozen=True)
class Blow:
    """`heals` by itself, or is healed by the experiment."""

    what: str
    strike: Callable[[Place], AbstractContextManager[None]]
    heals: bool = False


def _of_alerts(fault: Callable[..., AbstractContextManager[None]]) -> Callable[[Place], AbstractContextManager[None]]:  # fmt: skip
    """A fault of the trial of alerts."""

    def strike(place: Place) -> AbstractContextManager[None]:
        watching: Monitoring = place.watching
        return fault(place.ground, watching)

    return strike


@contextlib.contextmanager
def _pdf_worker_gone(place: Place) -> Iterator[None]:
    with place.ground.ended("pdf-worker"):
        yield


def _notifier_killed(received: Callable[[Place], int]) -> Callable[[Place], AbstractContextManager[None]]:
    """At the very moment at which a receiver has applied something, and not answered yet."""

    @contextlib.contextmanager
    def strike(place: Place) -> Iterator[None]:
        process, before = place.ground.pid("notifier"), received(place)
        wait_for(lambda: received(place) > before, timeout_s=60, what="something is received")
        os.kill(process, signal.SIGKILL)
        yield

    return strike


@contextlib.contextmanager
def _orchestrator_hangs(place: Place) -> Iterator[None]:
    """It and its supervisor, which would end it after 10 seconds, stand still."""
    os.kill(place.ground.stack.supervisor, signal.SIGSTOP)
    try:
        with place.ground.paused("orchestrator"):
            yield
    finally:
        os.kill(place.ground.stack.supervisor, signal.SIGCONT)


@contextlib.contextmanager
def _mail_server_away(place: Place) -> Iterator[None]:
    port = int(place.effects.smtp_url.rpartition(":")[2])
    place.ground.loop.run(place.effects.mails.stop())
    try:
        yield
    finally:
        place.ground.loop.run(place.effects.mails.start(port))


@contextlib.contextmanager
def _webhook_breaks(place: Place) -> Iterator[None]:
    """It applies what it gets and breaks the connection, or refuses, in turns."""
    script = place.effects.hooks.faults
    for _ in range(MANY // 2):
        script.add(Fault(FaultKind.RESET))
        script.add(Fault(FaultKind.STATUS, status=503))
    try:
        yield
    finally:
        while script.take() is not None:
            pass


@contextlib.contextmanager
def _mails_break(place: Place) -> Iterator[None]:
    place.effects.mails.faults += [SmtpFault.DROP_AFTER_DATA] * BROKEN_MAILS
    yield


def _pulled(*names: str) -> Callable[[Place], AbstractContextManager[None]]:
    @contextlib.contextmanager
    def strike(place: Place) -> Iterator[None]:
        assert place.zone is not None
        cables: list[Cable] = [getattr(place.zone, name) for name in names]
        for cable in cables:
            cable.pull()
        try:
            yield
        finally:
            for cable in cables:
                cable.plug()

    return strike


BLOWS = {
    "nats-gone": Blow("`SIGKILL` of NATS; nobody starts it again", _of_alerts(nats_gone)),
    "nats-store-lost": Blow(
        "NATS loses its whole store and gets `SIGKILL`; the supervisor starts it again, empty",
        _of_alerts(nats_store_lost), heals=True,
    ),
    "notifier-killed-at-a-webhook": Blow(
        "`SIGKILL` of the notifier while a webhook that was applied is not answered; the supervisor starts it again",
        _notifier_killed(lambda place: len(place.effects.hooks.received)), heals=True,
    ),
    "notifier-killed-at-a-mail": Blow(
        "`SIGKILL` of the notifier while a mail that was taken is not answered; the supervisor starts it again",
        _notifier_killed(lambda place: len(place.effects.mails.received)), heals=True,
    ),
    "pdf-worker-gone": Blow("`SIGKILL` of the PDF worker; nobody starts it again", _pdf_worker_gone),
    "orchestrator-hangs": Blow("`SIGSTOP` of the orchestrator, beyond its leases", _orchestrator_hangs),
    "mail-server-away": Blow("the mail server refuses connections", _mail_server_away),
    "webhook-breaks": Blow(
        "the webhook's receiver applies each second call and breaks the connection, and answers the others `503`",
        _webhook_breaks,
    ),
    "mails-break": Blow(
        f"the mail server keeps {BROKEN_MAILS} mails and breaks the connection before it says so",
        _mails_break, heals=True,
    ),
    "stores-unreachable": Blow(
        "the cable between the second zone and both stores is pulled; clients and Prometheus still reach the zone",
        _pulled("back"),
    ),
    "zone-unreachable": Blow("all cables of the second zone are pulled", _pulled("back", "front")),
}  # fmt: skip
