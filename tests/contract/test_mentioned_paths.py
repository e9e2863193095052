"""Every path of the API that a source, a message or a page mentions is one that exists."""

import re
from pathlib import Path

import pytest

from visapi_gateway.slices import operations

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "examples", "services", "libs")
SUFFIXES = (".py", ".md", ".sql", ".yaml", ".yml", ".html")
FOREIGN = frozenset({"/v1/traces", "/v1/metrics", "/v1/logs"})
"""Paths of other systems: OTLP receivers."""
MENTIONED = re.compile(r"(?<![\w}])/v1(?:/(?:\{[^}\n]*\}|<[^>\n]*>|[\w.$…*-])+)+")
TEMPLATES = [operation.path.split("/") for operation in operations()]


def sources() -> list[Path]:
    found = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    return [path for path in found if "tests" not in path.relative_to(ROOT).parts and path.is_file()]


def exists(path: str) -> bool:
    """Whether some template fits; what stands in braces, in angle brackets or as `…` may be any segment."""
    segments = path.rstrip("…").rstrip("/.").split("/")
    return path in FOREIGN or any(
        len(template) >= len(segments)
        and (len(template) == len(segments) or path.endswith("…"))
        and all(_fits(said, is_) for said, is_ in zip(segments, template, strict=False))
        for template in TEMPLATES
    )


def _fits(said: str, is_: str) -> bool:
    return (
        is_.startswith("{")
        or said == is_
        or (said.startswith("{") and "|" in said and is_ in said)
        or (said.startswith("{") and said.endswith(("value}", "{verb}")))
    )


@pytest.mark.parametrize("source", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_mentioned_path_exists(source: Path) -> None:
    text = source.read_text("utf-8")
    missing = sorted({path for path in MENTIONED.findall(text) if not exists(path)})
    assert not missing


def test_a_path_that_does_not_exist_is_noticed() -> None:
    assert not exists("/v1/runs/…/resolve")
    assert not exists("/v1/nothing")
    assert exists("/v1/runs/…/cancel")
    assert exists("/v1/dead-letters/{id}/resolve")
