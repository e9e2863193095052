"""The faults that can wait for working hours."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from alerts.disturbances import SPIN
from alerts.ground import Ground, again_and_again
from alerts.monitoring import Monitoring
from alerts.page_faults import STOPPED, one_percent_fails
from alerts.trial import Fault
from kit.ledger_rows import full_of_messages
from visapi.admin.nats_rights import NOTIFIER, WORKER

Strike = Callable[[Ground], None]


def _plant_event(
    ground: Ground, source: str, number: str, kind: str, body: bytes, *, publish: bool = False
) -> None:
    """A row of an event: to be matched, or to be published."""
    matched = {"matched_at": datetime.now(UTC)} if publish else {}
    row = {
        "tenant": "default",
        "source": source,
        "id": number,
        "type": kind,
        "body": body,
        "publish": publish,
    }
    ground.plant("events_in", **row, **matched)


def _once(work: Strike) -> Callable[[Ground, Monitoring], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def strike(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
        work(ground)
        yield

    return strike


def _lasting(
    work: Strike, *, every_s: float, prepare: Strike | None = None
) -> Callable[[Ground, Monitoring], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def strike(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
        if prepare is not None:
            prepare(ground)
        with again_and_again(lambda: work(ground), every_s=every_s):
            yield

    return strike


def _mark() -> str:
    return datetime.now(UTC).isoformat()


# ---- what is set aside


def unpublishable_events(ground: Ground) -> None:
    mark = _mark()
    for number in range(30):
        body = f'{{"specversion":"1.0","id":"{number}","source":"{mark}","type":"{"a" * 5000}"}}'
        _plant_event(ground, mark, str(number), "a" * 5000, body.encode(), publish=True)


def unreadable_event(ground: Ground) -> None:
    _plant_event(ground, _mark(), "1", "paid", b"\xff\xfe")


def unreadable_result(ground: Ground) -> None:
    ground.publish(NOTIFIER, "visapi.engine.0.result", b"\xff")


def newer_heartbeat(ground: Ground) -> None:
    """A result would need the token of an attempt."""
    ground.publish(NOTIFIER, "visapi.engine.0.heartbeat", b'{"v":99,"run":"%s"}' % str(UUID(int=7)).encode())


def more_messages_than_are_kept(ground: Ground) -> None:
    ground.plant("dead_letters", **full_of_messages("default"))
    ground.publish(WORKER, "visapi.events.default.paid", b"no event", times=5)


def chat_breaks(ground: Ground) -> None:
    ground.deploy("chat", "  - tell: {call: notify.slack, with: {channel: '#a', text: hello}}")
    ground.receivers.break_chat(1)
    ground.begin("chat")


def letter_is_old(ground: Ground) -> None:
    """Its time is set back by 3 days, so that nobody has to wait for them."""
    row = {"id": uuid4(), "tenant": "default", "service": "orchestrator", "reason": "poison", "detail": "old"}
    ground.plant("dead_letters", **row, created_at=datetime.now(UTC) - timedelta(days=3))


# ---- work that fails


@contextlib.contextmanager
def mail_server_away(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    port = int(ground.receivers.mail_url.rpartition(":")[2])
    ground.loop.run(ground.receivers.mail.stop())
    try:
        with again_and_again(lambda: ground.begin("letter"), every_s=1):
            yield
    finally:
        ground.loop.run(ground.receivers.mail.start(port))


def prepare_endless(ground: Ground) -> None:
    spinning = "{html: '<script>while (true) {}</script>', options: {javascript: true}}"
    ground.deploy("endless", f"  - print: {{call: pdf.render, with: {spinning}}}")


def print_endless(ground: Ground) -> None:
    ground.begin("endless")


def kill_browser(ground: Ground) -> None:
    ground.begin("letter")
    for process in ground.children("pdf-worker", "--remote-debugging")[:1]:
        os.kill(process, signal.SIGKILL)


def kill_engines(ground: Ground) -> None:
    for process in ground.children("orchestrator", "python"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def restart_notifier(ground: Ground) -> None:
    ground.restart("notifier", signal.SIGKILL)


@contextlib.contextmanager
def notifier_dies_at_work(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    ground.deploy(
        "slow",
        f"  - ask: {{call: http, with: {{method: get, endpoint: '{ground.receivers.hanging_url}/hang'}}}}",
    )
    for _ in range(40):
        ground.begin("slow")
    time.sleep(3)
    ground.restart("notifier", signal.SIGKILL)
    yield


@contextlib.contextmanager
def batches_slow(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    def hold() -> None:
        with ground.locked("lock table visapi.history in exclusive mode"):
            time.sleep(3)

    with again_and_again(hold, every_s=0.2):
        yield


# ---- what clients do


def wrong_keys(ground: Ground) -> None:
    with httpx.Client(trust_env=False) as client:
        for _ in range(20):
            client.get(f"{ground.stack.ready.gateway}/v1/runs", headers={"Authorization": "Bearer x"})


def leaked_key(ground: Ground) -> None:
    """A key is made, and shown by somebody who found it."""
    gateway, headers = ground.stack.ready.gateway, {"Authorization": f"Bearer {ground.stack.ready.api_key}"}
    with httpx.Client(trust_env=False) as client:
        made = client.post(f"{gateway}/v1/keys", json={"name": "leaked"}, headers=headers).json()
        report = client.post(f"{gateway}/v1/keys/report-leak", json={"key": made["key"]})
        assert report.is_success, report.text


def _at_once(ground: Ground, count: int, path: str, **request: Any) -> None:
    """So many requests at the same time; what they are answered is no matter."""

    async def one(client: httpx.AsyncClient) -> None:
        with contextlib.suppress(httpx.TransportError):
            await client.post(path, **request)

    async def work() -> None:
        limits = httpx.Limits(max_connections=count)
        headers = {"Authorization": f"Bearer {ground.stack.ready.api_key}", **request.pop("headers", {})}
        async with (
            httpx.AsyncClient(base_url=ground.stack.ready.gateway, headers=headers, timeout=15, trust_env=False,
                              limits=limits) as client,
            asyncio.TaskGroup() as group,
        ):  # fmt: skip
            for _ in range(count):
                group.create_task(one(client))

    asyncio.run(work())


def too_many_followers(ground: Ground) -> None:
    _at_once(ground, 60, "/v1/workflows/alerts/night/runs", json={}, headers={"Prefer": "wait=5"})


def prepare_night(ground: Ground) -> None:
    ground.deploy("night", "  - night: {wait: {hours: 8}}")


def too_many_simulations(ground: Ground) -> None:
    document = f"document: {{dsl: '1.0.3', namespace: alerts, name: spin, version: '1.0.0'}}\ndo:\n{SPIN}\n"
    _at_once(ground, 80, "/v1/workflows/simulate", json={"workflow": document, "input": {}})


def family_too_large(ground: Ground) -> None:
    ground.deploy("child", "  - night: {wait: {hours: 8}}")
    child = "{run: {workflow: {namespace: alerts, name: child, version: '1.0.0'}, await: false}}"
    branches = "".join(f"\n        - b{n}: {child}" for n in range(150))
    ground.deploy(
        "parent", f"  - all:\n      fork:\n        branches:{branches.replace('        - ', '          - ')}"
    )
    ground.begin("parent")


def too_many_correlations(ground: Ground) -> None:
    strategy = (
        "{on: {all: [{with: {type: paid}, correlate: {o: {from: .data.order}}}, "
        "{with: {type: packed}, correlate: {o: {from: .data.order}}}]}}"
    )
    ground.deploy("ship", "  - note: {set: {shipped: true}}", schedule=strategy)
    ground.until(
        "select true from visapi.subscriptions s join visapi.runs r on r.id = s.run where r.name = 'ship'"
    )
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    events = [
        {
            "specversion": "1.0",
            "id": f"{_mark()}-{n}",
            "source": "/alerts",
            "type": "paid",
            "data": {"order": str(n)},
        }
        for n in range(20)
    ]
    answer = ground.client.post("/v1/events", json=events, headers=headers)
    assert answer.status_code == 202, answer.text


def flood_of_events(ground: Ground) -> None:
    event = b'{"specversion":"1.0","id":"%d","source":"/flood","type":"flood","data":"' % time.time_ns()
    ground.publish(WORKER, "visapi.events.default.flood", event + b"x" * 60_000 + b'"}', times=200)


@contextlib.contextmanager
def one_in_250_fails(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    with one_percent_fails(ground, watching, one_of=230):
        yield


@contextlib.contextmanager
def emit_locked(ground: Ground, watching: Monitoring | None = None) -> Iterator[None]:
    """The row's time is set back by 3 minutes, so that nobody has to wait for them."""
    mark = _mark()
    body = f'{{"specversion":"1.0","id":"1","source":"{mark}","type":"late"}}'.encode()
    with contextlib.ExitStack() as lock:
        with ground.paused("orchestrator"):
            _plant_event(ground, mark, "1", "late", body, publish=True)
            ground.move_back("events_in", timedelta(minutes=3), "received_at", source=mark)
            lock.enter_context(
                ground.locked("select * from visapi.events_in where source = $1 for update", mark)
            )
        yield


def _ticket(alert: str, what: str, strike: Any, *also: str) -> Fault:
    return Fault(alert, what, strike, page=False, also=frozenset(also))


SET_ASIDE = (
    _ticket("DeadLettersGrow", "30 rows of events that NATS refuses", _once(unpublishable_events)),
    _ticket("WorkQuarantined", "a row of an event that nobody can read", _once(unreadable_event)),
    _ticket(
        "MessagesUnreadable", "bytes that are no message, on a subject of workers", _once(unreadable_result)
    ),
    _ticket("EffectsUncertain", "Slack takes a message and breaks the connection", _once(chat_breaks)),
)
KEYS = _ticket("KeysRefused", "20 requests a second with a wrong key", _lasting(wrong_keys, every_s=0.8))
LEAK = _ticket("KeyLeaked", "somebody reports a key that they found", _once(leaked_key))
ROUNDS: tuple[tuple[Fault, ...], ...] = (
    (_ticket("ApiErrorsBurnSlowly", "0.43 % of the requests fail", one_in_250_fails, "OperatorFaults"),
     _ticket("ApiErrorsAboveObjective", "0.43 % of the requests fail", _once(lambda ground: None))),
    (*SET_ASIDE, KEYS, LEAK,
     _ticket("EventsNotPublished", "a transaction holds an event that is 3 minutes old", emit_locked)),
    (_ticket("DeadLettersOld", "a dead letter that nobody has looked at for 3 days", _once(letter_is_old)),
     _ticket("DeliveriesFail", "the mail server is away", mail_server_away),
     _ticket("EventsUncollected", "events of more orders than a schedule may wait with", _once(too_many_correlations)),
     _ticket("RunsRefusedByFamily", "a run starts 150 others", _once(family_too_large))),
    (_ticket("RequestsRefusedByBounds", "one key follows more runs than it may",
             _lasting(too_many_followers, every_s=0.5, prepare=prepare_night)),
     _ticket("NewerFormats", "heartbeats of a later release", _lasting(newer_heartbeat, every_s=5))),
    (_ticket("DocumentsFail", "documents whose script never ends", _lasting(print_endless, every_s=1, prepare=prepare_endless)),),
    (_ticket("BrowserReplaced", "SIGKILL of Chromium, again and again", _lasting(kill_browser, every_s=4)),
     _ticket("EngineProcessesReplaced", "SIGKILL of engine processes", _lasting(kill_engines, every_s=4))),
    (_ticket("TasksRedelivered", "SIGKILL of the notifier with 40 calls under way", notifier_dies_at_work),
     _ticket("ProcessRestarts", "SIGKILL of the notifier, again and again", _lasting(restart_notifier, every_s=8),
             "ProcessDown", "NoWorkerForFunction", "ServiceMissing")),
    (_ticket("BoundedWorkRefused", "80 simulations at once that never end", _lasting(too_many_simulations, every_s=1)),
     _ticket("TransitionsSlow", "a transaction locks history for 3 s again and again", batches_slow, *STOPPED)),
    (_ticket("ProducersRefused", "a tenant floods EVENTS", _lasting(flood_of_events, every_s=0.1)),),
    (_ticket("EventsDropped", "more messages than dead letters may be kept", _once(more_messages_than_are_kept),
             "WorkQuarantined"),),
)  # fmt: skip

NOT_MADE = {
    "StreamsRecreated": "is heard with EventsStreamRecreated; promtool has its series",
    "TasksWaitForTurns": "needs 10 minutes of backlog",
    "LifecycleEventsLate": "needs 2 minutes of backlog",
    "WaitForConnections": "needs statements that are slow for minutes",
    "DatabaseGrows": "needs 10 GB of growth in hours",
    "MemoryHigh": "needs 1.5 GB in one process",
    "VersionsMixed": "needs two releases for 2 hours",
    "EventLoopStalls": "needs a defect",
    "LoopRestarts": "needs a defect",
    "Watchdog": "always fires; its silence is tried",
}
"""Alerts whose fault is not made here, and why; promtool tests them on series."""
