"""Which families of metrics the tests see moving: read from the sources of the tests.

A test sees a family move when it asserts, or waits for, a number of the family, and the number is not zero. Names may
stand in the assertion, in a constant of the module, in a local name or in a function beside the test that the assertion uses.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import partial

WAITING = {"eventually", "holds", "until"}
"""Functions with which tests wait for a condition."""
_SUFFIX = re.compile(r"_(bucket|count|sum)$")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def moved_in(source: str, families: Mapping[str, str]) -> set[str]:
    """The families that the tests of a module see moving. `families` are the families' names by their attributes."""
    module = ast.parse(source)
    beside: dict[str, set[str]] = {}
    named = partial(_named, families=families, beside=beside)
    # Twice, as what stands further up may use what stands further down.
    for _ in range(2):
        for node in module.body:
            for name in _names_of(node):
                beside[name] = named(node)
    found: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, _FUNCTIONS) and node.name.startswith("test_"):
            inside = beside | {
                name: named(each) for each in ast.walk(node) for name in _names_of(each) if each is not node
            }
            for claim in _claims(node):
                found |= _named(claim, families=families, beside=inside)
    return found


def _names_of(node: ast.AST) -> list[str]:
    """What a statement gives a name to."""
    if isinstance(node, _FUNCTIONS):
        return [] if node.name.startswith("test_") else [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [each for target in targets if target is not None for each in ast.walk(target)]
    return [each.id for each in names if isinstance(each, ast.Name)]


def _claims(test: ast.AST) -> Iterator[ast.AST]:
    """What a test asserts or waits for, without what it says to be nothing."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert):
            yield from _not_nothing(node.test)
        elif (
            isinstance(node, ast.Call)
            and not WAITING.isdisjoint((getattr(node.func, "id", ""), getattr(node.func, "attr", "")))
            and not any(_is_nothing(argument) for argument in node.args)
        ):
            yield from (part for argument in node.args for part in _not_nothing(argument))


def _not_nothing(claim: ast.AST) -> Iterator[ast.AST]:
    """The parts of a claim of which none says that something equals zero or is None."""
    if isinstance(claim, ast.BoolOp):
        for part in claim.values:
            yield from _not_nothing(part)
    elif not any(
        isinstance(part, ast.Compare) and any(map(_is_nothing, part.comparators)) and _equals(part)
        for part in ast.walk(claim)
    ):
        yield claim


def _equals(compare: ast.Compare) -> bool:
    return any(isinstance(each, ast.Eq | ast.Is | ast.LtE) for each in compare.ops)


def _is_nothing(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Constant) and (node.value is None or node.value == 0) and node.value is not False
    )


def _named(node: ast.AST, *, families: Mapping[str, str], beside: Mapping[str, set[str]]) -> set[str]:
    """The families that a piece of source names, itself or by what it uses."""
    known, found = set(families.values()), set[str]()
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            name = each.value.partition("{")[0]
            found |= {name, _SUFFIX.sub("", name)} & known
        elif isinstance(each, ast.Attribute) and each.attr in families and _is_metrics(each.value):
            found.add(families[each.attr])
        elif isinstance(each, ast.Name):
            found |= beside.get(each.id, set())
    return found


def _is_metrics(node: ast.AST) -> bool:
    """Whether this is the set of instruments of a process."""
    return "metrics" in (getattr(node, "id", ""), getattr(node, "attr", ""))
