"""What must hold after a schedule `on: all` has heard the events of many orders: one run of each. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Collected:
    """The orders of the events that were accepted, and what became of them."""

    orders: Collection[str]
    runs: Sequence[tuple[str, Sequence[str]]]
    """Of each run that has ended: its order, and the types of the events that started it."""
    open_runs: int = 0
    left: Mapping[str, int] = field(default_factory=dict[str, int])
    """Rows that no run has consumed, by table."""


def judge_collected(seen: Collected, types: Sequence[str]) -> list[str]:
    """Every violation, each one sentence."""
    counts = Counter(order for order, _ in seen.runs)
    found = [f"order {order} started no run" for order in sorted(set(seen.orders) - set(counts))]
    found += [f"order {order} started {count} runs" for order, count in sorted(counts.items()) if count > 1]
    found += [f"order {order} was never placed" for order in sorted(set(counts) - set(seen.orders))]
    found += [
        f"the run of order {order} was started by {', '.join(heard)}"
        for order, heard in seen.runs
        if sorted(heard) != sorted(types)
    ]
    found += [f"{count} rows are left in {table}" for table, count in seen.left.items() if count]
    return [*found, *([f"{seen.open_runs} runs are open"] if seen.open_runs else [])]
