"""Whoever inserts a run counts it in the same statement; so whatever dies, the counts are those of the rows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
NOBODYS = {"put_listener": "the run that listens for the events of a schedule is no run of anybody"}


def blocks() -> dict[str, str]:
    """Each named block of SQL of the services."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "services").glob("*/src/**/*.sql")):
        parts = BLOCK.split(path.read_text(encoding="utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            found[f"{path.relative_to(ROOT / 'services')}: {name}"] = text
    return found


def test_every_statement_that_inserts_runs_counts_them():
    inserting = {name: text for name, text in blocks().items() if re.search(r"insert into runs \(", text)}
    assert len(inserting) >= 6
    silent = [name for name, text in inserting.items() if "insert into usage_deltas" not in text]
    assert [name.rpartition(": ")[2] for name in silent] == list(NOBODYS)


@pytest.mark.parametrize("column", ["completed", "faulted", "cancelled", "tasks", "deliveries", "retried"])
def test_every_number_has_one_statement_that_counts(column: str):
    counting = [
        name
        for name, text in blocks().items()
        if re.search(rf"insert into usage_deltas \([^)]*\b{column}\b", text)
    ]
    assert len(counting) == 1, counting
