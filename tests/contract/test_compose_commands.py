"""The tools for docker-compose.yml do what its pages say, on what the file holds."""

import re
from pathlib import Path

import pytest
import yaml

from kit.deploy_tools import ROOT
from kit.scripts import imported
from visapi.admin.rotation import SERVICES

PAGE = (ROOT / "docs/how-to/rotate-every-secret.md").read_text()


def test_every_docker_compose_command_of_the_page_on_secrets_is_typed(monkeypatch: pytest.MonkeyPatch):
    tool = imported("compose_rotation", monkeypatch)
    typed = [line for block in tool.blocks(PAGE) for line in block]
    assert typed == re.findall(r"(?m)^docker compose .*$", PAGE)
    assert set(re.findall(r"`(docker compose [^`]* [^`]*)`", PAGE)) <= set(typed)


def test_what_the_page_does_to_one_ring_is_done_to_every_ring_and_in_every_service_that_has_one(
    monkeypatch: pytest.MonkeyPatch,
):
    tool = imported("compose_rotation", monkeypatch)
    typed = [each for block in tool.blocks(PAGE) for line in block for each in tool.for_every_ring(line)]
    for ring, services in SERVICES.items():
        assert f"docker compose run --rm rotate {ring} --after 60" in typed
        assert any(line.startswith(f"docker compose run --rm rotate {ring} --drop") for line in typed)
        restart = typed.index("docker compose restart gateway orchestrator notifier")
        assert set(services.split(" and ")) <= set(typed[restart].split())


def test_the_tools_name_every_profile_of_the_compose_file_so_that_they_take_down_what_they_start(
    monkeypatch: pytest.MonkeyPatch,
):
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    named = imported("compose_engine", monkeypatch).PROFILES
    assert {profile for service in services.values() for profile in service.get("profiles", [])} == set(named)
    for name, profile in imported("compose_profiles", monkeypatch).PROFILES.items():
        assert [services[service]["profiles"] for service in profile.services] == [[name]] * len(
            profile.services
        )


def test_a_secret_of_an_operator_is_readable_by_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = imported("compose_profiles", monkeypatch).write_own_secrets(tmp_path)
    assert (tmp_path / "slack-token").stat().st_mode & 0o777 == 0o600
    compose = (ROOT / "docker-compose.yml").read_text()
    assert [name for name in settings if f"${{{name}:-" not in compose] == []
