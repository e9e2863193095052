"""The report of a load: a table for the reader, a JSON file for machines, and whether the limits held."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.load.account import Account, Seen, highest_steady_rate, jobs_per_minute, percentile
from bench.load.k6 import Sent
from bench.load.profiles import Profile
from bench.load.sampling import Sampler


@dataclass(frozen=True)
class Finding:
    """One figure, and whether it is within its limit; `None` where there is none."""

    name: str
    value: float
    unit: str
    limit: str = ""
    holds: bool | None = None


@dataclass(frozen=True)
class Measured:
    """A load, what it was answered, what came of it, and what it cost."""

    load: Profile
    sent: Sent
    seen: Seen
    account: Account
    sampler: Sampler


def findings(measured: Measured) -> list[Finding]:
    return [*_counts(measured), *_latencies(measured), *_machine(measured)]


def _counts(measured: Measured) -> Iterator[Finding]:
    account, limits = measured.account, measured.load.limits
    yield Finding("planned", account.planned, "starts")
    yield Finding("accepted", account.accepted, "starts")
    yield Finding("completed", account.completed, "runs", "= accepted", account.completed == account.accepted)
    yield Finding("lost", account.lost, "runs", "0", account.lost == 0)
    yield Finding("doubled", account.doubled, "runs and effects", "0", account.doubled == 0)
    yield Finding("effects missing", account.missing_effects, "effects", "0", account.missing_effects == 0)
    yield Finding("refused", account.refused, "starts")
    yield Finding("unanswered", account.unanswered, "starts")
    yield Finding("not sent in time", account.dropped, "starts")
    share = None if limits.errors_share is None else account.errors_share < limits.errors_share
    yield Finding("errors", 100 * account.errors_share, "%", _below(100, limits.errors_share), share)


def _latencies(measured: Measured) -> Iterator[Finding]:
    limits = measured.load.limits
    answers = [answer.ms for answer in measured.sent.answers]
    for share in (0.5, 0.95, 0.99, 0.999):
        value = percentile(answers, share)
        judged = share == 0.95 and limits.p95_ms is not None
        limit = limits.p95_ms if judged else None
        yield Finding(
            f"accepted, p{share * 100:g}",
            value,
            "ms",
            _below(1, limit),
            None if limit is None else value < limit,
        )
    seconds = [run.seconds for run in measured.seen.runs.values()]
    for share in (0.5, 0.95, 0.99):
        yield Finding(f"accepted to ended, p{share * 100:g}", 1000 * percentile(seconds, share), "ms")
    if measured.load.give_up_ms is not None:
        yield Finding("highest steady rate", highest_steady_rate(measured.sent.answers), "starts/s")


def _machine(measured: Measured) -> Iterator[Finding]:
    limits, sampler = measured.load.limits, measured.sampler
    jobs = jobs_per_minute(measured.load, measured.seen)
    holds = None if limits.jobs_per_minute is None else jobs >= limits.jobs_per_minute
    yield Finding(
        "jobs", jobs, "per minute", f"≥ {limits.jobs_per_minute:g}" if limits.jobs_per_minute else "", holds
    )
    memory = sampler.services_mb()
    within = None if limits.services_mb is None else memory <= limits.services_mb
    yield Finding(
        "the four services, peak",
        memory,
        "MB PSS",
        f"≤ {limits.services_mb:g}" if limits.services_mb else "",
        within,
    )
    cores = sum(usage.cpu_s for usage in sampler.usage.values()) / max(1.0, sampler.seconds)
    yield Finding("CPU of the stack, mean", cores, f"of {os.cpu_count()} cores")


def show(measured: Measured, console: Console) -> bool:
    """Print the report; whether every limit held."""
    found = findings(measured)
    table = Table("figure", "value", "unit", "limit", "")
    for finding in found:
        mark = "" if finding.holds is None else "ok" if finding.holds else "MISSED"
        value = f"{finding.value:,.4g}" if finding.value < 1000 else f"{finding.value:,.0f}"
        table.add_row(finding.name, value, finding.unit, finding.limit, mark)
    console.print(table)
    processes = Table("process", "CPU mean %", "CPU peak %", "PSS mean MB", "PSS peak MB", "PSS growth MB")
    for name, usage in sorted(measured.sampler.usage.items()):
        mean = 100 * usage.cpu_s / max(1.0, measured.sampler.seconds)
        growth = _growth(usage.pss_mb)
        row = (mean, 100 * usage.cpu_peak, usage.pss_mean, usage.pss_peak, growth)
        processes.add_row(name, *(f"{value:.1f}" for value in row))
    console.print(processes)
    load = os.getloadavg()
    console.print(f"load of the machine at the end: {load[0]:.1f} over 1 minute, {load[1]:.1f} over 5")
    return all(finding.holds is not False for finding in found)


def save(measured: Measured, path: Path) -> None:
    usage = {
        name: {"cpu_s": each.cpu_s, "cpu_peak": each.cpu_peak, "pss_mb": each.pss_mb}
        for name, each in measured.sampler.usage.items()
    }
    document = {
        "profile": asdict(measured.load),
        "seconds": measured.sampler.seconds,
        "findings": [asdict(finding) for finding in findings(measured)],
        "usage": usage,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def _growth(series: list[float]) -> float:
    """How much larger the mean of the last quarter is than that of the second."""
    quarter = len(series) // 4
    if quarter == 0:
        return 0.0
    second, last = series[quarter : 2 * quarter], series[-quarter:]
    return sum(last) / len(last) - sum(second) / len(second)


def _below(factor: float, limit: float | None) -> str:
    return "" if limit is None else f"< {factor * limit:g}"
