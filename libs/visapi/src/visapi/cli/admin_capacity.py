"""`visapi admin capacity`: the resources that an amount of work needs."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from visapi.admin.capacity import INPUT_KB_MAX, Costs, Demand, Need, need
from visapi.admin.capacity_measured import MEASURED
from visapi.cli.output import as_json, console, fail, say


def capacity(  # noqa: PLR0913 (one option for each figure of the demand)
    *,
    runs_per_day: Annotated[float, typer.Option(min=1, help="How many runs are started in a day.")],
    tasks_per_run: Annotated[
        float, typer.Option(min=0, help="Tasks of a run that leave the orchestrator.")
    ] = 3.0,
    input_kb: Annotated[float, typer.Option(min=0, help="KiB of a run's input.")] = 1.0,
    keep_days: Annotated[float, typer.Option(min=0, help="How long ended runs are kept.")] = 30.0,
    peak: Annotated[
        float, typer.Option(min=1, help="How much busier the busiest minute is than the mean.")
    ] = 4.0,
    load: Annotated[
        float, typer.Option(min=0.05, max=1, help="The share of a processor that may be busy at the peak.")
    ] = 0.6,
    costs: Annotated[
        Path | None,
        typer.Option(help="What `make capacity` measured on your machine; else what it did on ours."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Estimate the resources for a number of runs: processors, write-ahead log, disk, NATS traffic. No
    cluster is read.

    Your own workers, Chromium and the receivers are not included.
    """
    demand = Demand(runs_per_day, tasks_per_run, input_kb, keep_days, peak, load)
    known = MEASURED if costs is None else _read(costs)
    needed = need(demand, known)
    if json:
        as_json(needed)
        return
    _show(demand, needed, known)


def _read(path: Path) -> Costs:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Costs)
    except (OSError, msgspec.DecodeError) as error:
        fail(f"{path} cannot be read as costs: {error}", code=2)


def _show(demand: Demand, needed: Need, known: Costs) -> None:
    rows = [
        ("runs", f"{needed.runs_per_s:,.2f} a second in the mean, {needed.runs_per_s_peak:,.2f} at the peak"),
        *((f"processors: {name}", f"{cores:.2f}") for name, cores in needed.cores.items()),
        ("processors in all", f"{needed.cores_in_all:.2f} at {demand.load:.0%} load"),
        (
            "write-ahead log",
            f"{needed.wal_mb_per_s_peak:,.2f} MB/s at the peak, {needed.wal_gb_per_day:,.2f} GB a day",
        ),
        (
            "kept in PostgreSQL",
            f"{needed.disk_gb:,.1f} GB, {needed.rows:,.0f} rows, for {demand.keep_days:g} days",
        ),
        ("traffic of NATS", f"{needed.nats_mb_per_s_peak:,.2f} MB/s at the peak, in and out"),
    ]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        console().print(f"{name:{width}}  {text}")
    if demand.input_kb > INPUT_KB_MAX:
        say(f"inputs above {INPUT_KB_MAX:g} KiB lie in the artifact store, and cost the ledger no more")
    say(f"costs of one run: {known.source}")
