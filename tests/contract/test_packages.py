"""Each package imports where nothing but what it declares is installed."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(
    path.parent for path in ROOT.glob("*/*/pyproject.toml") if path.parts[-3] in {"libs", "services"}
)
IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_imports_beside_its_declared_dependencies_alone(package: Path, tmp_path: Path):
    (module,) = (path.name for path in (package / "src").iterdir() if path.name.startswith("visapi"))
    site = environment(module.replace("_", "-"), tmp_path)
    done = subprocess.run(
        [sys.executable, "-ISc", f"import sys; sys.path.append({str(site)!r})\n{IMPORT_ALL}", module],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def environment(name: str, site: Path) -> Path:
    """A folder that holds the modules of one distribution and of all that it declares, and no others."""
    for member in closure(name):
        for place in modules(member):
            link = site / place.name
            if not link.exists():
                link.symlink_to(place)
    return site


def closure(name: str) -> Iterator[Distribution]:
    waiting, seen = [(name, frozenset[str]())], set[tuple[str, frozenset[str]]]()
    while waiting:
        wanted = waiting.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        found = distribution(wanted[0])
        yield found
        for requirement in map(Requirement, found.requires or []):
            extras = wanted[1] or {""}
            if requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in extras
            ):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))


def modules(member: Distribution) -> Iterator[Path]:
    """Where the top-level modules of a distribution lie; of ours, in their source folder."""
    if member.name.startswith("visapi"):
        spec = find_spec(member.name.replace("-", "_"))
        assert spec
        assert spec.submodule_search_locations
        yield Path(spec.submodule_search_locations[0])
        return
    roots = {file.parts[0] for file in member.files or [] if not file.parts[0].startswith("..")}
    yield from (Path(str(member.locate_file(root))) for root in sorted(roots))
