"""`make compose-rotation` types what the page on secrets says to who has docker-compose.yml."""

import re

import pytest

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
