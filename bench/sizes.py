"""How much of everything is measured."""

from dataclasses import dataclass


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
    followers: int = 1000
    backlog: int = 30_000
    tasks: int = 10_000
    items: int = 100_000


SHORT = Sizes(
    runs=200,
    triggers=300,
    seconds=1,
    static_pdfs=8,
    scripted_pdfs=4,
    limit_s=0.3,
    flow=200,
    listening=40,
    heard=20,
    followers=20,
    backlog=100,
    tasks=50,
    items=1000,
)
