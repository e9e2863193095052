"""Holds one experiment on a place that is up, and accounts for every run that was accepted meanwhile."""

import json
import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from faults.checker import Observation, judge
from gamedays.door import Door, Entry
from gamedays.figures import figures, recovery_s, spans
from gamedays.place import RUNS_PER_S, Place
from gamedays.report import Day, Heard
from kit.deploy_tools import tool
from visapi.stack.processes import wait_for

WARM_S = 40.0
"""Until the windows of the hypothesis hold nothing but the load."""
SETTLE_S = 120.0
CHAOS_S = 900


def held(place: Place, number: int, experiment: Path, *, target: str, warm_s: float = WARM_S) -> Day:
    """Hold an experiment; `target` is the command that the report names. The load has stopped afterwards."""
    began = time.time()
    door = Door(place)
    url = door.open()
    try:
        wait_for(lambda: time.time() - began > warm_s, timeout_s=warm_s + 5, what="the load has run a while")
        journal = _chaos(experiment, url, place.ground.folder)
        over = time.time()
    finally:
        door.close()
    place.settle(timeout_s=SETTLE_S)
    seen: Observation = place.ground.loop.run(place.load.observe(place.load.inside), timeout_s=300)
    entries = sorted(door.diary.values(), key=lambda entry: entry.struck_at)
    held = frozenset(run.id for run in seen.runs.values() if run.held)
    for entry in entries:
        recovered = recovery_s(entry.healed_at, place.load.starts, place.load.times, held)
        entry.recovered_s = None if recovered is None else max(0.0, recovered)
    parts = spans(began, [(entry.name, entry.struck_at) for entry in entries], over)
    return Day(
        number=number,
        target=target,
        held_at=f"{datetime.fromtimestamp(began, UTC):%Y-%m-%d %H:%M} UTC",
        machine=_machine(),
        took_s=time.time() - began,
        runs_per_s=RUNS_PER_S,
        journal=journal,
        entries=entries,
        figures=[figures(part, place.load.starts, place.load.times) for part in parts],
        heard=_heard(place, entries),
        verdict=judge(seen),
        never_accepted=sum(1 for start in place.load.starts if not start.run),
    )


def _chaos(experiment: Path, door: str, folder: Path) -> Any:
    """Run an experiment; its journal."""
    journal = folder / "journal.json"
    command = [
        tool("chaos"), "--no-version-check", "--no-log-file", "run", str(experiment), f"--journal-path={journal}",
        "--rollback-strategy=always",
    ]  # fmt: skip
    home = {**os.environ, "GAMEDAY_DOOR": door, "HOME": str(folder), "NO_PROXY": "127.0.0.1"}
    # Exit code 1 says that the system deviated; the report says where.
    subprocess.run(command, check=False, timeout=CHAOS_S, env=home, cwd=folder)
    return json.loads(journal.read_text(encoding="utf-8"))


def _heard(place: Place, entries: list[Entry]) -> list[Heard]:
    """The first notice of each alert in each span."""
    found: dict[tuple[str, str], Heard] = {}
    for notice in sorted(place.alarms.notices(), key=lambda notice: notice.at):
        struck = [entry for entry in entries if entry.struck_at <= notice.at]
        if notice.status == "firing" and struck:
            span = struck[-1]
            heard = Heard(span.name, notice.at - span.struck_at, notice.alert, notice.receiver)
            found.setdefault((span.name, notice.alert), heard)
    return list(found.values())


def _machine() -> str:
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[1]
    return f"{os.cpu_count()} cores and {memory:.0f} GiB (load of the last five minutes: {load:.1f})"
