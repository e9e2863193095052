"""Whoever opens the artifact store also says how its bucket is reached, or keys of S3 would be of no use there."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORES = {"ArtifactStore", "PayloadStore", "TemplateStore", "ObjectStore"}


def opened(path: Path) -> list[ast.Call]:
    return [
        call
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "open"
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in STORES
    ]


def test_every_store_is_opened_with_its_access():
    calls = {
        f"{path.relative_to(ROOT)}:{call.lineno}": len(call.args) + len(call.keywords)
        for pattern in ("libs/*/src", "services/*/src")
        for folder in ROOT.glob(pattern)
        for path in folder.rglob("*.py")
        for call in opened(path)
    }
    assert len(calls) >= len(STORES)
    assert {where for where, given in calls.items() if given != 2} == set()
