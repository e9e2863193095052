"""Parts of the suite hold each test once, and files stay whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.shards import Card, Shard, is_mine, parse

ROOT = Path(__file__).parents[2]
CARDS = st.lists(st.builds(Card, st.sampled_from(["unit", "e2e", "faults"]), st.integers(0, 20)), max_size=60)


@given(CARDS, st.integers(1, 9))
def test_each_test_is_in_exactly_one_part_and_files_stay_whole(cards: list[Card], of: int):
    parts = [is_mine(cards, Shard(number, of)) for number in range(1, of + 1)]
    assert all(sum(part[index] for part in parts) == 1 for index in range(len(cards)))
    for part in parts:
        whole = {card for card, mine in zip(cards, part, strict=True) if mine}
        assert whole.isdisjoint(card for card, mine in zip(cards, part, strict=True) if not mine)


@given(CARDS, st.integers(1, 9))
def test_the_files_of_a_layer_are_shared_evenly(cards: list[Card], of: int):
    for layer in {card.layer for card in cards}:
        shares = [
            len({card for card, mine in zip(cards, is_mine(cards, Shard(number, of)), strict=True)
                 if mine and card.layer == layer})
            for number in range(1, of + 1)
        ]  # fmt: skip
        assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "1/3/3", "-1/3", "a/b", ""])
def test_what_is_no_part_is_refused(text: str):
    with pytest.raises(ValueError, match="write 1/3, 2/3 or 3/3"):
        parse(text)


def collected(folder: Path, *options: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "kit.shards", *options]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_pytest_runs_every_test_in_one_part(tmp_path: Path):
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  faults: x\n")
    for name in "abc":
        (tmp_path / f"test_{name}.py").write_text("def test_one(): pass\ndef test_two(): pass\n")
    alone = "import pytest\npytestmark = pytest.mark.faults\n@pytest.mark.parametrize('n', range(4))\ndef test_x(n): pass\n"
    (tmp_path / "test_faults.py").write_text(alone)
    parts = [collected(tmp_path, "--shard", f"{number}/2") for number in (1, 2)]
    assert [len(part) for part in parts] == [4 + 2, 2 + 2]
    assert sorted(parts[0] + parts[1]) == sorted(collected(tmp_path))
