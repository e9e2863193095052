"""The parts of the benchmark, in the order in which they are measured. Each names its rows, so that a
developer can measure some rows alone (`make bench ROWS="events heard"`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench import expressions, followers, keys, large, listeners, neighbours, rows
from bench.limits.machine import Limits
from bench.report import Row, row
from bench.sizes import Sizes
from bench.stack import BenchStack

LIMIT_ROWS = (
    "limit: single-row commits",
    "limit: rows in batches of 64",
    "limit: bare 3-step flow",
    "limit: Litestar POST 1 KB",
)


@dataclass(frozen=True)
class Bench:
    """What the parts measure. Without `limits`, no row is compared with the machine's limit."""

    stack: BenchStack
    sizes: Sizes
    limits: Limits | None
    idle_mb: float


@dataclass(frozen=True)
class Part:
    """One measurement. `rows` are its rows' names, without the figures that depend on the sizes;
    `limited` says that the machine's limits stand beside them.
    """

    rows: tuple[str, ...]
    measure: Callable[[Bench], Awaitable[list[Row]]]
    limited: bool = False


def chosen(parts: Sequence[Part], words: Sequence[str]) -> list[Part]:
    """The parts that have a row whose name contains one of the words; without words, all."""
    return [part for part in parts if not words or any(is_named(part.rows, word) for word in words)]


def is_named(names: Sequence[str], word: str) -> bool:
    return any(word.lower() in name.lower() for name in names)


async def _idle_memory(bench: Bench) -> list[Row]:
    return [row("idle memory", bench.idle_mb, "MB PSS")]


async def _three_steps(bench: Bench) -> list[Row]:
    rate = await rows.three_step_throughput(bench.stack, runs=bench.sizes.runs)
    return [row("3-step workflows", rate, "/s", bench.limits and bench.limits.bare_flow)]


async def _three_step_latency(bench: Bench) -> list[Row]:
    load = await rows.three_step_latency(bench.stack, seconds=bench.sizes.seconds)
    return rows.latency_rows("3-step latency", load)


async def _accepted(bench: Bench) -> list[Row]:
    rate = await rows.accepted_triggers(bench.stack, total=bench.sizes.triggers)
    return [row("accepted triggers", rate, "/s", bench.limits and bench.limits.litestar)]


async def _accept_latency(bench: Bench) -> list[Row]:
    load = await rows.accept_latency(bench.stack, seconds=bench.sizes.seconds)
    return rows.latency_rows("accept latency", load)


async def _static_pdfs(bench: Bench) -> list[Row]:
    rate = await rows.pdfs(bench.stack, "static-pdf", total=bench.sizes.static_pdfs)
    return [row("static PDFs", rate, "/s")]


async def _scripted_pdfs(bench: Bench) -> list[Row]:
    rate = await rows.pdfs(bench.stack, "scripted-pdf", total=bench.sizes.scripted_pdfs)
    return [row("scripted PDFs", rate, "/s")]


async def _beside_backlog(bench: Bench) -> list[Row]:
    neighbour = await asyncio.to_thread(bench.stack.as_tenant, "neighbour")
    return await neighbours.beside_backlog(
        bench.stack, neighbour, backlog=bench.sizes.backlog, seconds=bench.sizes.seconds
    )


async def _events_heard(bench: Bench) -> list[Row]:
    """The limit of the row with many is the same with nobody listening but those who are told."""
    sizes = bench.sizes
    few = await listeners.events_to_listeners(bench.stack, listening=sizes.heard, heard=sizes.heard)
    many = await listeners.events_to_listeners(bench.stack, listening=sizes.listening, heard=sizes.heard)
    return [row(f"events heard, {sizes.listening:,} listening", many, "/s", few)]


async def _idle_followers(bench: Bench) -> list[Row]:
    count = bench.sizes.followers
    more_mb = await followers.idle_followers_mb(bench.stack, followers=count)
    return [row(f"memory of {count:,} idle followers", more_mb, "MB PSS more")]


async def _large_runs(bench: Bench) -> list[Row]:
    return await large.large_runs(bench.stack, tasks=bench.sizes.tasks, items=bench.sizes.items)


async def _hostile(bench: Bench) -> list[Row]:
    alone = await rows.hostile_expression(bench.stack, runs=bench.sizes.seconds)
    beside = await rows.beside_hostile(bench.stack, seconds=bench.sizes.seconds)
    return [
        row("hostile jq to its fault, slowest", alone.percentile_ms(1.0), "ms"),
        *rows.latency_rows("run beside hostile jq", beside),
    ]


def processor_rows() -> list[Row]:
    """What needs no stack: expressions, and the checks of a key."""
    return [
        row("native expression", expressions.native_us(), "µs", expressions.python_us()),
        row("jq expression", expressions.jq_us(), "µs", expressions.bare_jq_us()),
        row("key check", keys.key_check_us(), "µs"),
        row("key check with rates", keys.rated_check_us(), "µs"),
    ]


PROCESSOR_ROWS = ("native expression", "jq expression", "key check", "key check with rates")

PARTS = (
    Part(("idle memory",), _idle_memory),
    Part(("3-step workflows",), _three_steps, limited=True),
    Part(("3-step latency p50", "3-step latency p99"), _three_step_latency),
    Part(("accepted triggers",), _accepted, limited=True),
    Part(("accept latency p50", "accept latency p99"), _accept_latency),
    Part(("static PDFs",), _static_pdfs),
    Part(("scripted PDFs",), _scripted_pdfs),
    Part(("another tenant beside a backlog",), _beside_backlog),
    Part(("events heard",), _events_heard),
    Part(("idle followers",), _idle_followers),
    Part(("tasks of one run", "items of one map", "memory of large runs"), _large_runs),
    Part(
        ("hostile jq to its fault, slowest", "run beside hostile jq p50", "run beside hostile jq p99"),
        _hostile,
    ),
)
"""The parts that need a stack."""

ROWS = (*LIMIT_ROWS, *(name for part in PARTS for name in part.rows), *PROCESSOR_ROWS)
