"""What a trial asks of the monitoring itself: groups, inhibitions, heartbeats, and remote write without a gap."""

import contextlib
import itertools
import signal
import time
from collections.abc import Iterator

import httpx

from alerts.monitoring import RESEND_S, Monitoring, Program
from alerts.receivers import Receivers
from visapi.stack.processes import wait_for

FORGOTTEN_S = 4 * RESEND_S
"""Alertmanager forgets an alert that Prometheus does not repeat for so long."""


def silence_is_heard(watching: Monitoring, receivers: Receivers, *, beat_s: float) -> float:
    """Kill Prometheus; how long until the switch has missed two heartbeats. It must have heard some before."""
    wait_for(lambda: len(receivers.beats) >= 2, timeout_s=3 * beat_s + 30, what="heartbeats")
    gaps = [later - earlier for earlier, later in itertools.pairwise(receivers.beats)]
    assert max(gaps) < 2 * beat_s, "the switch would have raised a false alarm"
    watching.near.stop(signal.SIGKILL)
    killed = time.time()
    limit = FORGOTTEN_S + 3 * beat_s + 10
    wait_for(
        lambda: receivers.silent_for(time.time()) > 2 * beat_s, timeout_s=killed + limit - time.time(),
        what=f"silence within {limit:.0f} s",
    )  # fmt: skip
    return time.time() - killed


@contextlib.contextmanager
def far_away(watching: Monitoring) -> Iterator[tuple[float, float]]:
    """The Prometheus that is written to is killed for as long as the block takes."""
    began = time.time()
    watching.far.stop(signal.SIGKILL)
    try:
        yield (began, time.time())
    finally:
        watching.far.start()


def gap_s(watching: Monitoring, since: float, until: float) -> float:
    """The longest time between two samples of the second Prometheus, over a time that holds its outage. Waits until
    it has what the first one has.
    """
    series = 'up{service="gateway"}'
    wait_for(
        lambda: _samples(watching.far, series, since, until) == _samples(watching.near, series, since, until),
        timeout_s=90, what="the samples of the outage in the second Prometheus",
    )  # fmt: skip
    moments = _samples(watching.far, series, since, until)
    return max(later - earlier for earlier, later in itertools.pairwise(moments))


def _samples(of: Program, series: str, since: float, until: float) -> list[float]:
    """When a series was sampled, as stored."""
    window = f"{series}[{int(until - since)}s]"
    try:
        answer = httpx.get(
            f"{of.url}/api/v1/query",
            params={"query": window, "time": str(until)},
            timeout=10,
            trust_env=False,
        ).json()
    except (httpx.TransportError, ValueError):
        return []
    found = answer["data"]["result"] if answer["status"] == "success" else []
    return [float(moment) for moment, _ in found[0]["values"]] if found else []
