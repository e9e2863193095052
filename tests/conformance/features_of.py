"""Feature files as scenarios: parsed by Cucumber's own parser, outlines already spread over their examples."""

from pathlib import Path
from typing import Any

import msgspec
from gherkin import Compiler, Parser


class Step(msgspec.Struct, frozen=True):
    """One line of a scenario, with the block of text below it."""

    text: str
    block: str | None = None


class Scenario(msgspec.Struct, frozen=True):
    """One scenario: where it stands, and its steps in order (those of the background first)."""

    feature: str
    name: str
    steps: list[Step]

    @property
    def id(self) -> str:
        return f"{self.feature}: {self.name}"


def scenarios_of(folder: Path) -> list[Scenario]:
    """Every scenario of the `.feature` files in and below a folder."""
    return [scenario for path in sorted(folder.rglob("*.feature")) for scenario in _read(path)]


def _read(path: Path) -> list[Scenario]:
    document: Any = Parser().parse(path.read_text(encoding="utf-8"))
    document["uri"] = path.name
    return [
        Scenario(
            feature=path.stem,
            name=pickle["name"],
            steps=[Step(text=step["text"], block=_block(step)) for step in pickle["steps"]],
        )
        for pickle in Compiler().compile(document)
    ]


def _block(step: Any) -> str | None:
    argument = step.get("argument") or {}
    block = argument.get("docString")
    return None if block is None else block["content"]
