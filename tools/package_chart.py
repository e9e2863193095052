"""Package the Helm chart, with the rules, dashboards and seccomp profiles that lie beside it.

    python tools/package_chart.py [--out DIRECTORY] [--version VERSION]
        [--key NAME --keyring FILE [--passphrase-file FILE] | --key-from-environment]

A chart cannot refer to files outside its folder, so they are copied into a staged copy. With --key the
package is signed: Helm writes a provenance file beside it, which `helm verify` checks. With
--key-from-environment the armoured key in CHART_SIGNING_KEY signs, where it is set.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import chart_key

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy" / "helm" / "visapi"
HELM = ROOT / ".tools" / "bin" / "helm4"
NOT_PACKAGED = ("ci",)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "chart")
    parser.add_argument("--observability", type=Path, default=ROOT / "deploy" / "observability")
    parser.add_argument("--seccomp", type=Path, default=ROOT / "deploy" / "seccomp")
    parser.add_argument("--version", help="another version than that of Chart.yaml, for chart and images")
    parser.add_argument("--key", help="whose key of the keyring signs")
    parser.add_argument("--keyring", type=Path)
    parser.add_argument("--passphrase-file", type=Path)
    parser.add_argument("--key-from-environment", action="store_true")
    given = parser.parse_args()
    if (given.key is None) != (given.keyring is None):
        parser.error("--key and --keyring belong together")
    if not HELM.exists():
        parser.error("helm is not installed: run `make deploy-tools`")
    try:
        return package(given)
    except chart_key.KeyFault as error:
        sys.stderr.write(f"chart: {error}\n")
        return 1


def package(given: argparse.Namespace) -> int:
    """Helm's exit code."""
    signing = ["--sign", "--key", given.key, "--keyring", str(given.keyring)] if given.key else []
    if given.passphrase_file:
        signing += ["--passphrase-file", str(given.passphrase_file)]
    version = ["--version", given.version, "--app-version", given.version] if given.version else []
    environ: Mapping[str, str] = os.environ if given.key_from_environment else {}
    given.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as place,
        chart_key.options_from(environ, Path(place)) as of_environment,
    ):
        if given.key_from_environment and not of_environment:
            print(f"chart: {chart_key.KEY} is not set, so no provenance file is made")
        staged = stage(Path(place), given.observability, given.seccomp)
        command = [str(HELM), "package", str(staged), "--destination", str(given.out), *version]
        return subprocess.run([*command, *signing, *of_environment], check=False).returncode


def stage(place: Path, observability: Path, seccomp: Path) -> Path:
    """A copy of the chart with what lies beside it."""
    staged = Path(shutil.copytree(CHART, place / "visapi", ignore=shutil.ignore_patterns(*NOT_PACKAGED)))
    for kind, pattern in (("rules", "*.yaml"), ("dashboards", "*.json")):
        _copy(observability / kind, pattern, staged / "observability" / kind)
    _copy(seccomp, "*.json", staged / "files" / "seccomp")
    return staged


def _copy(source: Path, pattern: str, target: Path) -> None:
    for path in sorted(source.glob(pattern)):
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / path.name)


if __name__ == "__main__":
    sys.exit(main())
