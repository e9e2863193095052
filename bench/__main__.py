"""`python -m bench`: measure the rows of the benchmark and write `bench/out/latest.json`.

`--short` measures everything with small counts, to show that the benchmark itself works. `--rows` measures
some rows alone, on a stack that did nothing else before, and writes `bench/out/rows.json`.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.limits.machine import Limits, measure_limits
from bench.parts import (
    LIMIT_ROWS,
    PARTS,
    PROCESSOR_ROWS,
    ROWS,
    Bench,
    Part,
    chosen,
    is_named,
    processor_rows,
)
from bench.report import Row, save, show
from bench.sizes import SHORT, Sizes
from bench.stack import BenchStack
from bench.workflows import hostile, listener, many_items, many_tasks, one_pdf, one_set, three_steps

_OUT = Path(__file__).with_name("out")


async def measure_product(
    parts: Sequence[Part], stack: BenchStack, sizes: Sizes, limits: Limits | None
) -> list[Row]:
    bench = Bench(stack, sizes, limits, idle_mb=stack.memory_mb())
    stack.start_worker()
    documents = (three_steps(), one_set(), listener(), hostile(), many_tasks(), many_items())
    for document in (*documents, one_pdf(scripted=False), one_pdf(scripted=True)):
        stack.deploy(document)
    measured: list[Row] = []
    for part in parts:
        measured += await part.measure(bench)
    return measured


def measure(words: Sequence[str], sizes: Sizes) -> list[Row]:
    """The rows that are named by the words; without words, all."""
    parts = chosen(PARTS, words)
    limits = None
    if any(part.limited for part in parts) or _are_chosen(LIMIT_ROWS, words):
        limits = measure_limits(sizes)
    measured = limits.rows() if limits else []
    if parts:
        with tempfile.TemporaryDirectory(prefix="visapi-bench-") as folder:
            Path(folder).chmod(0o711)
            with BenchStack(Path(folder)) as stack:
                measured += asyncio.run(measure_product(parts, stack, sizes, limits))
    return measured + (processor_rows() if _are_chosen(PROCESSOR_ROWS, words) else [])


def _are_chosen(names: Sequence[str], words: Sequence[str]) -> bool:
    return not words or any(is_named(names, word) for word in words)


def _words(text: str) -> list[str]:
    """Raises `ArgumentTypeError` for a word that no row's name contains."""
    words = [word.strip() for word in text.split(";") if word.strip()]
    for word in words:
        if not is_named(ROWS, word):
            known = "\n  ".join(ROWS)
            raise argparse.ArgumentTypeError(f"no row's name contains {word!r}; the rows are:\n  {known}")
    return words


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="small counts, to show that the benchmark works")
    parser.add_argument("--rows", type=_words, default=[], help="parts of the names of rows, apart by ;")
    parser.add_argument("--out", type=Path, help="where the rows go as JSON")
    arguments = parser.parse_args()
    sizes, console, began = SHORT if arguments.short else Sizes(), Console(), time.monotonic()
    measured = measure(arguments.rows, sizes)
    out = arguments.out or _OUT / ("rows.json" if arguments.rows else "latest.json")
    show(measured, console)
    save(measured, out)
    console.print(f"{len(measured)} rows in {time.monotonic() - began:.0f} s, written to {out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
