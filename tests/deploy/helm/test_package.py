"""The package of the chart holds what the chart needs, and its signature says so."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kit.chart import CHART, HELMS, VALUE_SETS, rendered
from kit.deploy_tools import ROOT, run, tool

SIGNER = "VisAPI tests <tests@visapi.invalid>"


@pytest.fixture
def keyrings(tmp_path: Path) -> Iterator[Path]:
    """A folder with a secret keyring and a public one, as Helm reads them."""
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    gpg = [str(tool("gpg")), "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run(
        [*gpg, "--passphrase", "", "--quick-generate-key", SIGNER, "rsa2048", "sign", "1d"],
        check=True,
        timeout=90,
    )
    for name, command in (("secring.gpg", "--export-secret-keys"), ("pubring.gpg", "--export")):
        subprocess.run([*gpg, "--output", str(tmp_path / name), command], check=True, timeout=90)
    yield tmp_path
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, timeout=30)


def package(out: Path, *options: str, **environ: str) -> Path:
    """Package the chart; the archive."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "package_chart.py", "--out", out, *options],
        capture_output=True, text=True, check=False, timeout=90, env={**os.environ, **environ},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [archive] = out.glob("visapi-*.tgz")
    return archive


def test_a_signed_package_is_verified_and_a_changed_one_is_not(keyrings: Path):
    archive = package(keyrings / "out", "--key", "VisAPI tests", "--keyring", str(keyrings / "secring.gpg"))
    for helm in HELMS:
        verified = run(helm, "verify", archive, "--keyring", keyrings / "pubring.gpg")
        assert verified.returncode == 0, verified.stderr
        assert "Chart Hash Verified" in verified.stdout + verified.stderr
    archive.write_bytes(archive.read_bytes() + b"\0")
    changed = run("helm4", "verify", archive, "--keyring", keyrings / "pubring.gpg")
    assert changed.returncode != 0
    assert "sha256" in changed.stderr


def test_a_pipeline_signs_with_the_key_of_its_environment(tmp_path: Path):
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    gpg = [str(tool("gpg")), "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback"]
    gpg += ["--passphrase", "a passphrase"]
    subprocess.run([*gpg, "--quick-generate-key", SIGNER, "rsa2048", "sign", "1d"], check=True, timeout=90)
    subprocess.run([*gpg, "--output", str(tmp_path / "pubring.gpg"), "--export"], check=True, timeout=90)
    key = subprocess.run([*gpg, "--armor", "--export-secret-keys"], check=True, capture_output=True, text=True, timeout=90)  # fmt: skip
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, timeout=30)

    archive = package(tmp_path / "out", "--key-from-environment", CHART_SIGNING_KEY=key.stdout, CHART_SIGNING_PASSPHRASE="a passphrase")  # fmt: skip
    verified = run("helm4", "verify", archive, "--keyring", tmp_path / "pubring.gpg")
    assert verified.returncode == 0, verified.stderr
    assert SIGNER in verified.stdout + verified.stderr
    unsigned = package(tmp_path / "unsigned", "--key-from-environment", CHART_SIGNING_KEY="")
    assert not unsigned.with_name(f"{unsigned.name}.prov").exists()
    with pytest.raises(AssertionError, match="CHART_SIGNING_KEY cannot be used"):
        package(tmp_path / "wrong", "--key-from-environment", CHART_SIGNING_KEY="no key")


def test_a_key_without_its_keyring_is_refused(tmp_path: Path):
    command = [sys.executable, ROOT / "tools" / "package_chart.py", "--out", tmp_path, "--key", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "--key and --keyring belong together" in done.stderr


@pytest.fixture
def observability(tmp_path: Path) -> Path:
    """A rule and a dashboard, as deploy/observability will hold them. Prometheus templates in them are not Helm's."""
    rule = {
        "alert": "Down",
        "expr": 'up{job="visapi"} == 0',
        "annotations": {"summary": "{{ $labels.instance }} is away"},
    }
    folder = tmp_path / "observability"
    for kind in ("rules", "dashboards"):
        (folder / kind).mkdir(parents=True)
    (folder / "rules" / "stores.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "stores", "rules": [rule]}]})
    )
    (folder / "dashboards" / "overview.json").write_text(
        json.dumps({"title": "Overview {{ name }}", "panels": []})
    )
    return folder


def test_the_package_makes_rules_and_dashboards_of_the_files_beside_the_chart(
    observability: Path, tmp_path: Path
):
    archive = package(tmp_path / "out", "--observability", str(observability))
    with tarfile.open(archive) as opened:
        names = set(opened.getnames())
        opened.extractall(tmp_path / "unpacked", filter="data")
    assert "visapi/observability/rules/stores.yaml" in names
    assert not any(name.startswith("visapi/ci/") for name in names)
    made = rendered(tmp_path / "unpacked" / "visapi", *VALUE_SETS["observability"])
    [rule] = [each for each in made if each["kind"] == "PrometheusRule"]
    [dashboard] = [each for each in made if each["kind"] == "ConfigMap"]
    assert rule["spec"]["groups"][0]["rules"][0]["annotations"]["summary"] == "{{ $labels.instance }} is away"
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert json.loads(dashboard["data"]["overview.json"])["title"] == "Overview {{ name }}"
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_rules_and_dashboards_that_are_not_there_make_nothing():
    made = rendered(CHART, *VALUE_SETS["observability"])
    assert not {"PrometheusRule", "ConfigMap"} & {each["kind"] for each in made}


def test_a_release_says_which_ports_of_the_pdf_worker_are_open_to_all_addresses(tmp_path: Path):
    chart = with_notes(tmp_path)
    opened = "NOTE: pdfWorker.internet is false"
    told = notes_of(chart, "minimal")
    assert opened in told
    assert "port 4222 (set networkPolicy.natsTo) and port 443 (set networkPolicy.artifactsTo)." in told
    assert "on port 443 (set networkPolicy.artifactsTo)." in notes_of(
        chart, "minimal", sets=('networkPolicy.natsTo=[{"ipBlock": {"cidr": "10.0.0.0/8"}}]',)
    )
    closed = (
        'networkPolicy.natsTo=[{"ipBlock": {"cidr": "10.0.0.0/8"}}]',
        'networkPolicy.artifactsTo=[{"ipBlock": {"cidr": "10.1.0.0/16"}}]',
    )
    assert opened not in notes_of(chart, "minimal", sets=closed)
    assert opened not in notes_of(chart, "minimal", sets=("pdfWorker.internet=true",))


def with_notes(tmp_path: Path) -> Path:
    """The chart with an object that holds its notes, which `helm template` does not show."""
    chart = tmp_path / "visapi"
    shutil.copytree(CHART, chart)
    notes = chart / "templates" / "NOTES.txt"
    (chart / "templates" / "notes.yaml").write_text(
        f'{{{{- define "told" }}}}{notes.read_text()}{{{{ end }}}}\nnotes: {{{{ include "told" . | quote }}}}\nkind: Notes\nmetadata: {{name: x}}\n'
    )
    return chart


def notes_of(chart: Path, values: str, *, sets: tuple[str, ...] = ()) -> str:
    made = rendered(chart, *VALUE_SETS[values], sets=sets)
    [told] = [each["notes"] for each in made if each["kind"] == "Notes"]
    return told


def test_a_rendered_release_names_the_next_command(tmp_path: Path):
    told = notes_of(with_notes(tmp_path), "dev")
    for command in (
        "kubectl --namespace visapi rollout status",
        "helm --namespace visapi test flow",
        "get secret flow-visapi-first-key",
        "port-forward",
    ):
        assert command in told
    assert "WARNING: dev.enabled" in told
    assert "WARNING: Chromium runs without its sandbox" in told
