"""`python -m bench`: measure the rows of DESIGN section 9 and write `bench/out/latest.json`.

`--short` measures everything with small counts, to show that the benchmark itself works.
"""

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench import expressions, large, listeners, neighbours, rows
from bench.limits import flow, http, ledger
from bench.report import Row, row, save, show
from bench.stack import BenchStack
from bench.workflows import hostile, listener, many_items, many_tasks, one_pdf, one_set, three_steps
from kit.servers import NatsServer, PostgresServer, run_async

_OUT = Path(__file__).with_name("out") / "latest.json"


@dataclass(frozen=True)
class Sizes:
    """How much of everything; `limit_s` is the length of each limit's measurement."""

    runs: int = 8000
    triggers: int = 12_000
    seconds: int = 10
    static_pdfs: int = 300
    scripted_pdfs: int = 100
    limit_s: float = 2.0
    flow: int = 5000
    listening: int = 10_000
    heard: int = 1000
    backlog: int = 30_000
    tasks: int = 10_000
    items: int = 100_000


_SHORT = Sizes(
    runs=200,
    triggers=300,
    seconds=1,
    static_pdfs=8,
    scripted_pdfs=4,
    limit_s=0.3,
    flow=200,
    listening=40,
    heard=20,
    backlog=100,
    tasks=50,
    items=1000,
)


@dataclass
class Limits:
    """What the machine can do without the product, per second."""

    commits: float
    batched_rows: float
    bare_flow: float
    litestar: float


def measure_limits(sizes: Sizes) -> Limits:
    postgres, nats = PostgresServer(durable=True), NatsServer()
    try:
        postgres.start()
        nats.start()
        postgres.prepare_template()
        url = postgres.create().superuser
        return Limits(
            commits=run_async(ledger.single_row_commits(url, seconds=sizes.limit_s)),
            batched_rows=run_async(ledger.batched_rows(url, seconds=sizes.limit_s)),
            bare_flow=run_async(flow.bare_flow(url, nats.url(), workflows=sizes.flow)),
            litestar=run_async(http.litestar_posts(total=sizes.flow * 4)),
        )
    finally:
        nats.close()
        postgres.close()


async def measure_product(stack: BenchStack, sizes: Sizes, limits: Limits) -> list[Row]:
    measured = [row("idle memory", stack.memory_mb(), "MB PSS")]
    stack.start_worker()
    documents = (three_steps(), one_set(), listener(), hostile(), many_tasks(), many_items())
    for document in (*documents, one_pdf(scripted=False), one_pdf(scripted=True)):
        stack.deploy(document)
    flows = await rows.three_step_throughput(stack, runs=sizes.runs)
    measured.append(row("3-step workflows", flows, "/s", limits.bare_flow))
    measured += rows.latency_rows(
        "3-step latency", await rows.three_step_latency(stack, seconds=sizes.seconds)
    )
    accepted = await rows.accepted_triggers(stack, total=sizes.triggers)
    measured.append(row("accepted triggers", accepted, "/s", limits.litestar))
    measured += rows.latency_rows("accept latency", await rows.accept_latency(stack, seconds=sizes.seconds))
    measured.append(row("static PDFs", await rows.pdfs(stack, "static-pdf", total=sizes.static_pdfs), "/s"))
    measured.append(
        row("scripted PDFs", await rows.pdfs(stack, "scripted-pdf", total=sizes.scripted_pdfs), "/s")
    )
    neighbour = await asyncio.to_thread(stack.as_tenant, "neighbour")
    measured += await neighbours.beside_backlog(
        stack, neighbour, backlog=sizes.backlog, seconds=sizes.seconds
    )
    measured += await measure_listeners(stack, sizes)
    measured += await large.large_runs(stack, tasks=sizes.tasks, items=sizes.items)
    return measured + await measure_hostile(stack, sizes)


async def measure_listeners(stack: BenchStack, sizes: Sizes) -> list[Row]:
    """The limit of the row with many is the same with nobody listening but those who are told."""
    few = await listeners.events_to_listeners(stack, listening=sizes.heard, heard=sizes.heard)
    many = await listeners.events_to_listeners(stack, listening=sizes.listening, heard=sizes.heard)
    return [row(f"events heard, {sizes.listening:,} listening", many, "/s", few)]


async def measure_hostile(stack: BenchStack, sizes: Sizes) -> list[Row]:
    alone = await rows.hostile_expression(stack, runs=sizes.seconds)
    beside = await rows.beside_hostile(stack, seconds=sizes.seconds)
    return [
        row("hostile jq to its fault, slowest", alone.percentile_ms(1.0), "ms"),
        *rows.latency_rows("run beside hostile jq", beside),
    ]


def measure_expressions() -> list[Row]:
    return [
        row("native expression", expressions.native_us(), "µs", expressions.python_us()),
        row("jq expression", expressions.jq_us(), "µs", expressions.bare_jq_us()),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small counts, to show that the benchmark works")
    parser.add_argument("--out", type=Path, default=_OUT, help="where the rows go as JSON")
    arguments = parser.parse_args()
    sizes, console, began = _SHORT if arguments.short else Sizes(), Console(), time.monotonic()
    limits = measure_limits(sizes)
    limit_rows = [
        row("limit: single-row commits", limits.commits, "/s"),
        row("limit: rows in batches of 64", limits.batched_rows, "/s"),
        row("limit: bare 3-step flow", limits.bare_flow, "/s"),
        row("limit: Litestar POST 1 KB", limits.litestar, "/s"),
    ]
    with tempfile.TemporaryDirectory(prefix="visapi-bench-") as folder:
        Path(folder).chmod(0o711)
        with BenchStack(Path(folder)) as stack:
            measured = asyncio.run(measure_product(stack, sizes, limits))
    everything = [*limit_rows, *measured, *measure_expressions()]
    show(everything, console)
    save(everything, arguments.out)
    console.print(f"{len(everything)} rows in {time.monotonic() - began:.0f} s, written to {arguments.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
