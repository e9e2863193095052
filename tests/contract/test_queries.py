"""Every block of SQL that a module names exists in the file that the module loads."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from visapi_common.adapters.queries import load_queries

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    path
    for folder in ("libs", "services")
    for path in (ROOT / folder).glob("*/src/**/*.py")
    if "load_queries(" in path.read_text(encoding="utf-8") and path.name != "queries.py"
)


def test_most_modules_load_a_file_by_a_name_at_their_top():
    found = [module for module in MODULES if dict(files(ast.parse(module.read_text(encoding="utf-8"))))]
    assert len(found) >= len(MODULES) - 1 >= 30  # one makes its statements of the blocks of several files


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_names_only_blocks_of_its_file(module: Path):
    tree = ast.parse(module.read_text(encoding="utf-8"))
    loaded = dict(files(tree))
    unknown = [name for file, name in named(tree) if file in loaded and name not in loaded[file]]
    assert unknown == []


def files(tree: ast.Module) -> Iterator[tuple[str, set[str]]]:
    """The names of the module that hold queries, with the blocks of each."""
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(name)],
                value=ast.Call(ast.Name("load_queries"), [ast.Constant(package), ast.Constant(file)]),
            ):
                yield name, set(load_queries(str(package), str(file)))
            case _:
                pass


def named(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each block that is named in full, with the name that it is looked up in."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(ast.Name(file), ast.Constant(str(name))):
                yield file, name
            case ast.Subscript(
                ast.Name(file), ast.IfExp(_, ast.Constant(str(first)), ast.Constant(str(second)))
            ):
                yield file, first
                yield file, second
            case _:
                pass
