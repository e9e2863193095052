"""The rooms of ARCHITECTURE.md are those that import-linter enforces."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def drawn() -> dict[str, list[list[str]]]:
    """Package by package, the layers as the page draws them, from the top."""
    block = re.search(r"```rooms\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text(), re.DOTALL)
    assert block is not None
    lines = (line.split(": ") for line in block[1].splitlines())
    return {package: [sorted(layer.split(", ")) for layer in rest.split(" → ")] for package, rest in lines}


def enforced() -> dict[str, list[list[str]]]:
    """The same as `.importlinter` states it."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    return {
        contract["containers"].strip(): [
            sorted(re.findall(r"[a-z_]+", layer)) for layer in contract["layers"].strip().splitlines()
        ]
        for contract in contracts.values()
        if "containers" in contract
    }


def test_the_rooms_of_the_page_are_those_that_are_enforced() -> None:
    rooms = enforced()
    assert drawn() == {package: rooms[package] for package in drawn()}


def test_rooms_that_are_drawn_exist() -> None:
    for package, layers in drawn().items():
        (source,) = ROOT.glob(f"*/*/src/{package}")
        for room in (room for layer in layers for room in layer):
            assert (source / room).is_dir() or (source / f"{room}.py").is_file(), (package, room)
