"""The faults for which somebody is called."""

import contextlib
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from alerts.ground import Ground, again_and_again
from alerts.monitoring import Monitoring
from alerts.trial import Fault

STOPPED = frozenset({
    "RunsDoNotStart", "InboxNotConsumed", "TimersLate", "SchedulesLate", "EventsNotMatched", "AcceptanceSlow",
    "NoWorkerForFunction", "PostgresFails", "OperatorFaults", "ApiErrorsBurnFast", "ApiErrorsBurn",
})  # fmt: skip
"""What may follow when nothing advances or nothing is stored."""


@contextlib.contextmanager
def notifier_gone(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    with ground.ended("notifier"):
        yield


@contextlib.contextmanager
def pdf_worker_gone(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    with ground.ended("pdf-worker"):
        ground.begin("letter")
        yield


@contextlib.contextmanager
def not_discovered(ground: Ground, watching: Monitoring) -> Iterator[None]:
    every = ground.stack.ready.metrics
    watching.discover(*(name for name in every if name != "notifier"))
    try:
        yield
    finally:
        watching.discover(*every)


@contextlib.contextmanager
def nats_gone(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    with ground.ended("nats"):
        yield


@contextlib.contextmanager
def nats_store_lost(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    for store in ground.stack.data_dir.glob("nats/**/jetstream"):
        store.rename(store.with_name(f"jetstream.lost-{time.monotonic_ns()}"))
    ground.kill("nats", signal.SIGKILL)
    yield


@contextlib.contextmanager
def postgres_gone(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    with ground.ended("postgres", number=signal.SIGINT):
        yield


@contextlib.contextmanager
def _without_right(ground: Ground, right: str, role: str) -> Iterator[None]:
    ground.rows(f"revoke {right} from {role}", owner=True)
    try:
        yield
    finally:
        ground.rows(f"grant {right} to {role}", owner=True)


@contextlib.contextmanager
def grant_missing(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    with _without_right(ground, "insert on visapi.history", "visapi_orchestrator"):
        yield


@contextlib.contextmanager
def starts_fail(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    with _without_right(ground, "insert on visapi.runs", "visapi_gateway"):
        yield


@contextlib.contextmanager
def one_percent_fails(
    ground: Ground, watching: Monitoring | None = None, *, one_of: int = 100
) -> Iterator[None]:
    """One of so many requests fails, because a right is missing that one route needs."""

    def requests() -> None:
        for number in range(one_of):
            ground.client.get("/v1/secrets" if number == 0 else "/v1/capabilities")

    with (
        _without_right(ground, "select on visapi.secrets", "visapi_gateway"),
        again_and_again(requests, every_s=0.01),
    ):
        yield


@contextlib.contextmanager
def history_locked(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    with ground.locked("lock table visapi.history in exclusive mode"):
        yield


@contextlib.contextmanager
def commits_slow(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    def hold() -> None:
        with ground.locked("lock table visapi.runs in exclusive mode"):
            time.sleep(0.8)

    with again_and_again(hold, every_s=0.1):
        yield


@contextlib.contextmanager
def timer_locked(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    ground.deploy("nap", "  - nap: {wait: {seconds: 3}}")
    run = ground.begin("nap")
    of_run = "select * from visapi.timers where run = $1::text::uuid"
    ground.until(of_run, run)
    with ground.locked(f"{of_run} for update", run):
        yield


@contextlib.contextmanager
def schedule_locked(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    with ground.locked("select * from visapi.schedules where name = 'nightly' for update"):
        yield


@contextlib.contextmanager
def event_locked(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    event = {"specversion": "1.0", "id": datetime.now(UTC).isoformat(), "source": "/alerts", "type": "stuck"}
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    with contextlib.ExitStack() as lock:
        with ground.paused("orchestrator"):
            answer = ground.client.post("/v1/events", json=[event], headers=headers)
            assert answer.status_code == 202, answer.text
            lock.enter_context(
                ground.locked("select * from visapi.events_in where type = 'stuck' for update")
            )
        yield


@contextlib.contextmanager
def command_locked(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    ground.deploy("night", "  - night: {wait: {hours: 8}}")
    run = ground.begin("night")
    ground.until("select * from visapi.timers where run = $1::text::uuid", run)
    with contextlib.ExitStack() as lock:
        with ground.paused("orchestrator"):
            assert ground.client.post(f"/v1/runs/{run}/cancel", json={}).status_code == 202
            of_run = "select * from visapi.inbox where run = $1::text::uuid for update"
            lock.enter_context(ground.locked(of_run, run))
        yield


def _fault(alert: str, what: str, strike: object, *also: str) -> Fault:
    return Fault(alert, what, strike, also=frozenset(also))  # pyright: ignore[reportArgumentType]


MISSING = ("ServiceMissing", "NoWorkerForFunction", "ProcessDown")
ROW_LOCKS = (
    _fault("TimersLate", "a transaction of somebody else holds the row of a timer", timer_locked),
    _fault("SchedulesLate", "a transaction of somebody else holds the row of a schedule", schedule_locked),
    _fault("EventsNotMatched", "a transaction of somebody else holds the row of an event", event_locked),
)
PROCESSES = (
    _fault("ProcessDown", "SIGKILL of the notifier, nobody starts it again", notifier_gone, *MISSING),
    _fault(
        "NoWorkerForFunction", "SIGKILL of the pdf-worker, nobody starts it again", pdf_worker_gone, *MISSING
    ),
)
NATS_GONE = _fault("NatsDisconnected", "SIGKILL of NATS, nobody starts it again", nats_gone, *STOPPED)
GRANT = _fault("OperatorFaults", "the orchestrator may not insert into history", grant_missing, *STOPPED)
BURN = Fault(
    "ApiErrorsBurn", "1 % of the requests fail, for want of a right", one_percent_fails,
    within_s=120, also=frozenset(STOPPED),
)  # fmt: skip
"""Its windows of 36 and 3 minutes (6 hours and 30 minutes, divided) have to burn first."""
ROUNDS: tuple[tuple[Fault, ...], ...] = (
    ROW_LOCKS,
    (_fault("InboxNotConsumed", "a transaction of somebody else holds a command", command_locked, *STOPPED),),
    (_fault("RunsDoNotStart", "a transaction of somebody else locks history", history_locked, *STOPPED),),
    (GRANT,),
    (_fault("AcceptanceSlow", "a transaction locks runs for 0.8 s of each 0.9 s", commits_slow, *STOPPED),),
    PROCESSES,
    (_fault("ServiceMissing", "Prometheus no longer discovers the notifier", not_discovered, *MISSING),),
    (NATS_GONE,),
    (_fault("EventsStreamRecreated", "NATS loses its whole store", nats_store_lost, *STOPPED),),
    (BURN,),
    (_fault("ApiErrorsBurnFast", "the gateway may not insert runs", starts_fail, *STOPPED),),
    (_fault("PostgresFails", "PostgreSQL is shut down, nobody starts it again", postgres_gone, *STOPPED),),
)
