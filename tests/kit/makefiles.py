"""The targets of the Makefile, with the variables that their recipes take from the environment without a default."""

import re
from pathlib import Path
from typing import NamedTuple, Self

TARGET = re.compile(r"^(?P<name>[a-z][a-z-]*):(?!=)")
INCLUDE = re.compile(r"^include (?P<path>\S+)$", re.MULTILINE)
NEEDED = re.compile(r"\$\$(?P<name>[A-Z][A-Z_]+)\b")


class Targets(NamedTuple):
    """What each target needs, by its name."""

    needs: dict[str, set[str]]

    @classmethod
    def read(cls, root: Path) -> Self:
        text = (root / "Makefile").read_text(encoding="utf-8")
        for included in INCLUDE.findall(text):
            text += (root / included).read_text(encoding="utf-8")
        needs: dict[str, set[str]] = {}
        target = ""
        for line in text.splitlines():
            if named := TARGET.match(line):
                target = named["name"]
                needs[target] = set()
            elif target and line.startswith("\t"):
                # "$${X:+"$$X"}" has a default: nothing.
                needs[target] |= set(NEEDED.findall(re.sub(r"\$\$\{[^}]*\}", "", line)))
        return cls(needs)
