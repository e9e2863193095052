"""Where a game day is held: a whole stack under steady load, its monitoring, and all receivers."""

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alerts.ground import Ground
from alerts.monitoring import Monitoring, monitoring
from alerts.receivers import Loop
from alerts.receivers import Receivers as Alarms
from faults.receivers import Receivers as Effects
from gamedays.steady_load import SteadyLoad
from gamedays.zone import Zone, zone

RUNS_PER_S = 3.0
_DAY_S = 1800.0
_LAST_S = 330.0
_OPEN = """
select count(*) as open from visapi.runs r
where r.created_at < to_timestamp($1::float8) and r.status not in ('completed', 'faulted', 'cancelled')
  and not exists (select from visapi.dead_letters d
                  where d.run = r.id and d.reason = 'uncertain' and d.resolved_at is null)
"""
"""Runs that were accepted before a moment, have not ended, and are not held for a decision."""
_TRANSACTIONS = """
select state, wait_event, query from pg_stat_activity
where usename = current_user and xact_start < to_timestamp($1::float8)
"""


@dataclass(frozen=True)
class Place:
    """Everything that is up."""

    ground: Ground
    watching: Monitoring
    alarms: Alarms
    effects: Effects
    load: SteadyLoad
    zone: Zone | None
    """Only where a day needs one."""

    def settle(self, *, timeout_s: float) -> None:
        """No more starts; wait until each of them is accepted, and every accepted run has ended or is held."""
        self.ground.loop.run(self.load.stop())
        deadline = time.time() + timeout_s
        while time.time() < deadline and any(not start.run for start in self.load.starts):
            time.sleep(0.2)
        self.ground.loop.run(self.load.settle(timeout_s=timeout_s), timeout_s=timeout_s + 60)

    def transactions_before(self, moment: float) -> list[str]:
        """The transactions of orchestrators, which began before then, that PostgreSQL still holds open."""
        rows = self.ground.rows(_TRANSACTIONS, moment)
        return [f"{row['state']} ({row['wait_event']}) in {row['query'].split()[1]}" for row in rows]

    def open_before(self, moment: float) -> int:
        """How many runs that were accepted before then still go on."""
        return int(self.ground.rows(_OPEN, moment)[0]["open"])


@contextlib.contextmanager
def opened(*, with_zone: bool) -> Iterator[Place]:
    """The load begins when everything is ready, and ends with the block."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="visapi-gameday-")))
        folder.chmod(0o711)
        loop = Loop()
        stack.callback(loop.close)
        alarms, effects = Alarms(loop), Effects()
        alarms.start()
        stack.callback(alarms.stop)
        loop.run(effects.start())
        stack.callback(lambda: loop.run(effects.stop()))
        east = stack.enter_context(zone(folder, loop)) if with_zone else None
        ground = Ground(folder, loop, alarms, _settings(effects, east))
        stack.callback(ground.stop)
        ground.start()
        gateways, metrics = [ground.stack.ready.gateway], dict(ground.stack.ready.metrics)
        if east is not None:
            # The zone's processes go before the stores that they would miss.
            stack.callback(east.stop)
            _populate(east, ground, effects)
            gateways.append(east.gateway)
            metrics |= {f"{name}@east": url for name, url in east.metrics.items()}
        watching = stack.enter_context(monitoring(folder, metrics, alarms))
        key = ground.stack.ready.api_key
        load = SteadyLoad(gateways, key, effects, hook=_moved(effects.hook_url, east), per_s=RUNS_PER_S)
        loop.run(load.deploy())
        stack.enter_context(_running(load, loop))
        yield Place(ground, watching, alarms, effects, load, east)


@contextlib.contextmanager
def _running(load: SteadyLoad, loop: Loop) -> Iterator[None]:
    thread = threading.Thread(target=lambda: loop.run(load.run(), timeout_s=_DAY_S), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.run(load.stop())
        thread.join(_LAST_S)
        loop.run(load.close())


def _settings(effects: Effects, east: Zone | None) -> dict[str, str]:
    allowed = ["127.0.0.0/8", *([] if east is None else [f"{east.front.outside}/32"])]
    return {
        "VISAPI_SMTP_URL": _moved(effects.smtp_url, east),
        "VISAPI_EGRESS_ALLOW": ",".join(allowed),
    }


def _moved(url: str, east: Zone | None) -> str:
    """The address of a receiver as both zones reach it."""
    return url if east is None else url.replace("127.0.0.1", east.front.outside)


def _populate(east: Zone, ground: Ground, effects: Effects) -> None:
    """Let the zone reach stores and receivers, and serve."""
    stores = [ground.stack.processes()[name].ports[name] for name in ("postgres", "nats")]
    east.reach(ground.loop, east.back, *stores)
    east.reach(ground.loop, east.front, *(_port(url) for url in (effects.smtp_url, effects.hook_url)))
    services = ("orchestrator", "gateway", "pdf-worker", "notifier")
    east.serve({name: ground.pid(name) for name in services})


def _port(url: str) -> int:
    return int(url.split("://", 1)[1].split("/", 1)[0].rpartition(":")[2])
