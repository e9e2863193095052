"""The Helm chart, rendered: value sets, both Helms, objects in one order.

A render of the chart as it lies there is kept in `.tools/renders`, under a digest of what it was made from, so that
the processes of a test run share it.
"""

import functools
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kit.deploy_tools import ROOT, TOOLS, run, tool

CHART = ROOT / "deploy" / "helm" / "visapi"
HELMS = ("helm3", "helm4")
RELEASE, NAMESPACE, KUBERNETES = "flow", "visapi", "1.34"

Object = dict[str, Any]

_LOADER, _DUMPER = yaml.CSafeLoader, yaml.CSafeDumper

_EXAMPLES = sorted(CHART.glob("examples/*.values.yaml"))
_OWN_S3 = CHART / "examples" / "s3-compatible.values.yaml"
VALUE_SETS: dict[str, tuple[Path, ...]] = {
    **{path.name.removesuffix("-values.yaml"): (path,) for path in sorted(CHART.glob("ci/*-values.yaml"))},
    "dev": (CHART / "values-dev.yaml",),
    "examples": (
        CHART / "ci" / "minimal-values.yaml",
        *(path for path in _EXAMPLES if "chart" not in path.name and path != _OWN_S3),
    ),
    "own-s3": (CHART / "ci" / "minimal-values.yaml", _OWN_S3),
}
"""Every set of values that is tested, by name."""


def template(
    helm: str, *files: Path, sets: tuple[str, ...] = (), chart: Path = CHART, release: str = RELEASE
) -> Any:
    """`helm template`; the caller reads its exit code."""
    values = [part for file in files for part in ("--values", str(file))]
    given = [part for each in sets for part in ("--set-json", each)]
    where = ("--namespace", NAMESPACE, "--kube-version", KUBERNETES)
    return run(helm, "template", release, chart, *where, *values, *given)


def rendered(
    chart: Path, *files: Path, helm: str = "helm4", sets: tuple[str, ...] = (), release: str = RELEASE
) -> list[Object]:
    """The objects that a chart makes of values, in the order of their kinds and names."""
    done = template(helm, *files, sets=sets, chart=chart, release=release)
    assert done.returncode == 0, done.stderr
    return sorted((each for each in yaml.load_all(done.stdout, Loader=_LOADER) if each), key=title)


@functools.cache
def objects(name: str, helm: str = "helm4") -> list[Object]:
    """The objects of a value set."""
    kept = TOOLS / "renders" / f"{name}-{_digest_of_chart()}-{tool(helm).stat().st_size}.yaml"
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        made = kept.with_suffix(f".{os.getpid()}")
        made.write_text(
            yaml.dump(rendered(CHART, *VALUE_SETS[name], helm=helm), Dumper=_DUMPER), encoding="utf-8"
        )
        made.replace(kept)
    return yaml.load(kept.read_text(encoding="utf-8"), Loader=_LOADER)


@functools.cache
def _digest_of_chart() -> str:
    digest = hashlib.sha256(f"{RELEASE} {NAMESPACE} {KUBERNETES}".encode())
    for path in sorted(each for each in CHART.rglob("*") if each.is_file()):
        digest.update(str(path.relative_to(CHART)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def title(each: Object) -> str:
    return f"{each['kind']}/{each['metadata']['name']}"


def pods(given: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod specification, with the title of what makes it."""
    for each in given:
        if each["kind"] == "Pod":
            yield title(each), each["spec"]
        elif each["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield title(each), each["spec"]["template"]["spec"]


def copy_chart(place: Path) -> Path:
    """A copy of the chart that a test may change."""
    return Path(shutil.copytree(CHART, place / "visapi"))
