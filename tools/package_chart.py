"""Package the Helm chart, with the rules, dashboards and seccomp profiles that lie beside it.

    python tools/package_chart.py [--out DIRECTORY] [--version VERSION]
        [--key NAME --keyring FILE [--passphrase-file FILE]]

A chart cannot refer to files outside its folder, so they are copied into a staged copy. With --key the
package is signed: Helm writes a provenance file beside it, which `helm verify` checks.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

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
    given = parser.parse_args()
    if (given.key is None) != (given.keyring is None):
        parser.error("--key and --keyring belong together")
    if not HELM.exists():
        parser.error("helm is not installed: run `make deploy-tools`")
    signing = ["--sign", "--key", given.key, "--keyring", str(given.keyring)] if given.key else []
    if given.passphrase_file:
        signing += ["--passphrase-file", str(given.passphrase_file)]
    version = ["--version", given.version, "--app-version", given.version] if given.version else []
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        staged = stage(Path(place), given.observability, given.seccomp)
        command = [str(HELM), "package", str(staged), "--destination", str(given.out), *version, *signing]
        return subprocess.run(command, check=False).returncode


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
