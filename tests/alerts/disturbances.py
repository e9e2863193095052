"""What happens on ordinary days and must call nobody."""

import signal
import time
from collections.abc import Callable

import httpx

from alerts.ground import PASSING, Ground
from alerts.monitoring import Monitoring
from alerts.trial import Disturbance

SPIN = "  - spin: {set: {n: '${ last(range(1e12)) }'}}"
RAISE = "  - stop: {raise: {error: {type: https://example.com/refused, status: 422}}}"


def _restarted(name: str, number: signal.Signals) -> Callable[[Ground, Monitoring], None]:
    def strike(ground: Ground, watching: Monitoring | None = None) -> None:
        ground.restart(name, number)

    return strike


def _paused(name: str) -> Callable[[Ground, Monitoring], None]:
    def strike(ground: Ground, watching: Monitoring | None = None) -> None:
        with ground.paused(name):
            time.sleep(4)

    return strike


def _many(work: Callable[[Ground], object], count: int) -> Callable[[Ground, Monitoring], None]:
    def strike(ground: Ground, watching: Monitoring | None = None) -> None:
        for _ in range(count):
            try:
                work(ground)
            except PASSING:
                continue

    return strike


def deploy(ground: Ground, watching: Monitoring | None = None) -> None:
    ground.deploy("fresh", "  - note: {set: {fresh: true}}")
    ground.begin("fresh")


def deploy_versions(ground: Ground, watching: Monitoring | None = None) -> None:
    for number in range(50):
        ground.deploy("changing", f"  - note: {{set: {{n: {number}}}}}", version=f"1.{number}.0")


def spike(ground: Ground, watching: Monitoring | None = None) -> None:
    ground.deploy("small", "  - note: {set: {small: true}}")
    for _ in range(1000):
        ground.begin("small")


def many_faulted(ground: Ground, watching: Monitoring | None = None) -> None:
    ground.deploy("refused", RAISE)
    for _ in range(100):
        ground.begin("refused")


def one_spins(ground: Ground, watching: Monitoring | None = None) -> None:
    ground.deploy("spinning", SPIN)
    ground.begin("spinning")


def wait_and_cancel(ground: Ground, watching: Monitoring | None = None) -> None:
    ground.deploy("week", "  - week: {wait: {days: 7}}")
    runs = [ground.begin("week") for _ in range(200)]
    for run in runs:
        ground.client.post(f"/v1/runs/{run}/cancel", json={})


def wrong_bodies(ground: Ground) -> httpx.Response:
    return ground.client.post("/v1/workflows", content=b"{", headers={"Content-Type": "application/json"})


def wrong_key(ground: Ground) -> httpx.Response:
    return httpx.get(
        f"{ground.stack.ready.gateway}/v1/runs", headers={"Authorization": "Bearer x"}, trust_env=False
    )


def letters(ground: Ground) -> str:
    return ground.begin("letter")


def analyze(ground: Ground, watching: Monitoring | None = None) -> None:
    for table in ("runs", "tasks", "history"):
        ground.rows(f"analyze visapi.{table}", owner=True)


def receiver_away(ground: Ground, watching: Monitoring | None = None) -> None:
    port = int(ground.receivers.mail_url.rpartition(":")[2])
    ground.loop.run(ground.receivers.mail.stop())
    time.sleep(4)
    ground.loop.run(ground.receivers.mail.start(port))


def alertmanager_restarted(ground: Ground, watching: Monitoring) -> None:
    watching.alertmanager.stop()
    watching.alertmanager.start()


def prometheus_restarted(ground: Ground, watching: Monitoring) -> None:
    watching.near.stop()
    watching.near.start()


def key_made(ground: Ground, watching: Monitoring | None = None) -> None:
    answer = ground.client.post("/v1/keys", json={"name": "alerts", "scopes": ["runs:read"]})
    assert answer.status_code == 201, answer.text
    ground.client.delete(f"/v1/keys/{answer.json()['id']}")


def duplicates(ground: Ground, watching: Monitoring | None = None) -> None:
    for _ in range(50):
        ground.client.post(
            "/v1/workflows/alerts/fresh/runs", json={}, headers={"Idempotency-Key": "the-same"}
        )


QUICK: tuple[Disturbance, ...] = (
    Disturbance("a workflow is deployed", deploy),
    Disturbance("1,000 runs are started at once", spike),
    Disturbance("100 runs fault by their own definition", many_faulted),
    Disturbance("the notifier is restarted", _restarted("notifier", signal.SIGTERM)),
    Disturbance("50 requests with a wrong key", _many(wrong_key, 50)),
    Disturbance("100 bodies that are no JSON", _many(wrong_bodies, 100)),
)
RESTARTS: tuple[Disturbance, ...] = tuple(
    Disturbance(f"{name} is {how}", _restarted(name, number))
    for how, number in (("restarted", signal.SIGTERM), ("killed and comes back", signal.SIGKILL))
    for name in ("gateway", "orchestrator", "pdf-worker", "notifier", "nats", "postgres")
    if (how, name) != ("restarted", "notifier")
)
OTHERS: tuple[Disturbance, ...] = (
    Disturbance("50 versions of a workflow are deployed", deploy_versions),
    Disturbance("the orchestrator stands still for 4 s", _paused("orchestrator")),
    Disturbance("the gateway stands still for 4 s", _paused("gateway")),
    Disturbance("an expression that never ends", one_spins),
    Disturbance("200 waiting runs are cancelled", wait_and_cancel),
    Disturbance("30 documents and mails at once", _many(letters, 30)),
    Disturbance("statistics of large tables are renewed", analyze),
    Disturbance("the mail server is away for 4 s", receiver_away),
    Disturbance("Alertmanager is restarted", alertmanager_restarted),
    Disturbance("Prometheus is restarted", prometheus_restarted),
    Disturbance("a key is made and revoked", key_made),
    Disturbance("50 starts with one Idempotency-Key", duplicates),
)
