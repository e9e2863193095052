"""hadolint and the schema of compose files find nothing in ours, and find something in worse ones."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from kit.deploy_tools import ROOT, run

DOCKERFILES = [
    image["dockerfile"]
    for name in ("deploy/images/images.json", "deploy/images/standins/images.json")
    for image in json.loads((ROOT / name).read_text()).values()
]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_dockerfile_has_no_finding(name: str):
    done = run("hadolint", "--no-color", name)
    assert done.returncode == 0, done.stdout


def test_a_dockerfile_on_an_unpinned_base_has_findings(tmp_path: Path):
    worse = tmp_path / "Dockerfile"
    worse.write_text("FROM debian\nRUN apt-get install curl\n")
    done = run("hadolint", "--no-color", worse)
    assert done.returncode != 0
    assert "DL3006" in done.stdout


def compose_findings(path: Path) -> str:
    done = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("name", ["docker-compose.yml", "deploy/compose/backup.yml"])
def test_a_compose_file_obeys_the_specification(name: str):
    assert compose_findings(ROOT / name) == ""


@pytest.mark.parametrize("name", ["deploy/compose/restore.sh"])
def test_a_script_is_one_that_a_shell_without_extensions_reads(name: str):
    assert subprocess.run(["sh", "-n", ROOT / name], check=False).returncode == 0


def test_what_backs_up_has_no_network_no_capability_and_a_read_only_root():
    backup = yaml.safe_load((ROOT / "deploy/compose/backup.yml").read_text())
    for name in ("backup-log", "backup-copy", "restore"):
        service = backup["services"][name]
        assert service["network_mode"] == "none"
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_pdf_worker_may_execute_what_it_writes_to_tmp():
    """Chromium is started by a script there, and Docker mounts a tmpfs without `exec` as `noexec`."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    [tmp] = compose["services"]["pdf-worker"]["tmpfs"]
    place, _, options = tmp.partition(":")
    assert (place, "exec" in options.split(",")) == ("/tmp", True)


def test_only_the_maker_of_secrets_and_their_rotation_may_write_them():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounts = [
        (service, *volume.split(":")[2:])
        for service, given in compose["services"].items()
        for volume in given.get("volumes", ())
        if volume.partition(":")[0] == "secrets"
    ]
    assert {service for service, *mode in mounts if mode != ["ro"]} == {"secrets", "rotate"}
    assert {service for service, *mode in mounts if mode == ["ro"]} == {"bootstrap", "admin"}


def test_a_misspelt_key_of_the_compose_file_is_found(tmp_path: Path):
    worse = tmp_path / "docker-compose.yml"
    worse.write_text((ROOT / "docker-compose.yml").read_text().replace("    read_only:", "    readonly:", 1)
                     .replace("  read_only: true", "  readonly: true", 1))  # fmt: skip
    assert "readonly" in compose_findings(worse)
