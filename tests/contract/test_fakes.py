"""Fakes of ports stand in the kit, where each is held to the suite of its real adapter."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAKES = ROOT / "tests/kit/fakes"
SUITES = [
    *ROOT.glob("services/*/tests/integration/ports/*.py"),
    *ROOT.glob("tests/kit/*ports.py"),
    FAKES / "gateway/world.py",
]


def classes(path: Path) -> Iterator[ast.ClassDef]:
    yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef))


def bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base) for base in node.bases}


def methods(node: ast.ClassDef) -> dict[str, tuple[str, ...]]:
    """Each method with the names of its parameters."""
    found = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return {
        one.name: tuple(arg.arg for arg in (*one.args.args[1:], *one.args.kwonlyargs))
        for one in found
        if not _delegates(one)
    }


def _delegates(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the method calls the method of its own name on a part: its class wraps a real adapter."""
    calls = (node.func for node in ast.walk(method) if isinstance(node, ast.Call))
    attributes = (func for func in calls if isinstance(func, ast.Attribute) and func.attr == method.name)
    return any(isinstance(func.value, ast.Attribute) for func in attributes)


def ports(service: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """The methods of each port of a service. A port that is one callable is met by any function."""
    found = {
        f"{path.stem}.{node.name}": methods(node)
        for path in (ROOT / "services" / service / "src").glob("**/*.py")
        for node in classes(path)
        if "Protocol" in bases(node)
    }
    return {name: needed for name, needed in found.items() if needed.keys() - {"__call__"}}


def private_fakes(path: Path, known: dict[str, dict[str, tuple[str, ...]]], fakes: set[str]) -> list[str]:
    """Classes of a test that are a port by themselves; one that extends a fake of the kit is none."""
    return [
        f"{path.name}: {node.name} is {port}"
        for node in classes(path)
        if not bases(node) & fakes
        for port, needed in known.items()
        if needed.items() <= methods(node).items()
    ]


def kit_fakes() -> set[str]:
    return {node.name for path in FAKES.glob("**/*.py") for node in classes(path)}


@pytest.mark.parametrize("service", ["gateway", "orchestrator", "notifier", "pdf-worker"])
def test_no_test_has_a_private_fake_of_a_port(service: str):
    known, fakes = ports(service), kit_fakes()
    assert known
    tests = (ROOT / "services" / service / "tests").glob("**/*.py")
    found = [one for path in tests if "ports" not in path.parts for one in private_fakes(path, known, fakes)]
    assert found == [], "move it to tests/kit/fakes, and into the suite of its real adapter"


def test_a_private_fake_is_found_and_a_wrapper_of_a_real_adapter_is_none(tmp_path: Path):
    known = {"service.Store": {"put": ("tenant", "row")}}
    path = tmp_path / "test_mine.py"
    path.write_text(
        "class Mine:\n    async def put(self, tenant, row): self.rows.append(row)\n"
        "class Other:\n    async def put(self, name): ...\n"
        "class Extended(FakeStore):\n    async def put(self, tenant, row): ...\n"
        "class Wrapper:\n    async def put(self, tenant, row): await self._real.put(tenant, row)\n"
    )
    assert private_fakes(path, known, {"FakeStore"}) == ["test_mine.py: Mine is service.Store"]


def test_every_fake_is_held_to_the_suite_of_its_real_adapter():
    held = "\n".join(path.read_text() for path in SUITES)
    fakes = {
        node.name
        for path in FAKES.glob("**/*.py")
        for node in classes(path)
        if re.match("(Fake|Inline|Counting)", node.name) and "msgspec.Struct" not in bases(node)
    }
    assert sorted(name for name in fakes if not re.search(rf"\b{name}\b", held)) == []
