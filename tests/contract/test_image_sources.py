"""What the images and docker-compose.yml are made from: locks that cannot drift, one base, containers without rights."""

import json
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from kit.scripts import imported

ROOT = Path(__file__).resolve().parents[2]
IMAGES: dict[str, Any] = json.loads((ROOT / "deploy/images/images.json").read_text())
STANDINS: dict[str, Any] = json.loads((ROOT / "deploy/images/standins/images.json").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
THIRD_PARTY = re.compile(r"^\$\{VISAPI_\w+_IMAGE:-docker\.io/[\w./-]+:[\w.-]*\d[\w.-]*\}$")

FILE_OF_A_SECRET = re.compile(r"(\$\{VISAPI_\w+_FILE:?-)?(/run/visapi/[\w-]+)?\}?")
"""Made at the first start, or named by whoever gives it."""


def test_the_locks_of_the_images_are_parts_of_the_runtime_lock():
    done = subprocess.run(
        [sys.executable, ROOT / "tools/image_locks.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_no_lock_names_an_address():
    locks = sorted((ROOT / "requirements/images").glob("*.lock"))
    assert len(locks) == len(IMAGES) + 3
    assert [lock.name for lock in locks if "://" in lock.read_text() or "--index" in lock.read_text()] == []


def test_a_service_gets_its_own_packages_only():
    gateway, notifier, worker = (
        (ROOT / f"requirements/images/{name}.lock").read_text()
        for name in ("gateway", "notifier", "pdf-worker")
    )
    assert "litestar==" in gateway
    assert "litestar==" not in notifier + worker
    assert "playwright==" in worker
    assert "playwright==" not in gateway + notifier


def dockerfile(image: dict[str, Any]) -> str:
    return (ROOT / image["dockerfile"]).read_text()


def test_every_image_begins_alike_and_stands_on_a_base_with_a_digest():
    beginnings = {dockerfile(image).split("FROM debian AS system", 1)[0] for image in IMAGES.values()}
    assert len(beginnings) == 1
    bases = {
        re.findall(r"^ARG BASE=(\S+)", dockerfile(image), re.MULTILINE)[0]
        for image in (*IMAGES.values(), *STANDINS.values())
    }
    assert len(bases) == 1
    assert re.fullmatch(r"docker\.io/library/debian:[\w-]+@sha256:[0-9a-f]{64}", bases.pop())


@pytest.mark.parametrize("name", IMAGES)
def test_the_last_stage_holds_copies_only_and_runs_without_root(name: str):
    last = dockerfile(IMAGES[name]).rsplit("\nFROM ", 1)[1]
    assert last.startswith("scratch\n")
    assert not re.search(r"^(RUN|ADD|VOLUME)\b", last, re.MULTILINE)
    assert re.findall(r"^USER (.*)$", last, re.MULTILINE) == ["65532:65532"]
    assert re.search(r'^ENTRYPOINT \["/usr/bin/python3\.11", ', last, re.MULTILINE)
    for label in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{label}=" in last


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_gets_the_sources_of_every_package_of_ours_that_it_imports(name: str):
    copied = set(re.findall(r"^COPY ((?:libs|services)/[\w-]+) ", dockerfile(IMAGES[name]), re.MULTILINE))
    wanted, waiting = set[str](), list(IMAGES[name]["packages"])
    while waiting:
        package = waiting.pop()
        wanted.add(package)
        needs = (Requirement(need).name for need in distribution(package).requires or [])
        waiting += [need for need in needs if need.startswith("visapi") and need not in wanted]
    libraries = {"visapi-common": "libs/common", "visapi-engine": "libs/engine", "visapi": "libs/visapi"}
    assert copied == {libraries.get(each, f"services/{each.removeprefix('visapi-')}") for each in wanted}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_right_that_it_does_not_need(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service
    assert service["mem_limit"]
    assert service["cpus"]
    if name == "secrets":
        assert service["network_mode"] == "none"
        assert service["cap_add"] == ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
    else:
        assert service["user"] not in ("0", "0:0", "root")
        assert "cap_add" not in service


def test_what_always_runs_has_a_health_check_and_one_port_is_published():
    always = {name: service for name, service in SERVICES.items() if "profiles" not in service}
    once = {"secrets", "bootstrap"}
    assert always.keys() - once >= {
        "postgres",
        "nats",
        "gateway",
        "orchestrator",
        "pdf-worker",
        "notifier",
        "mail",
    }
    assert [name for name in always.keys() - once if "healthcheck" not in always[name]] == []
    published = {name: service["ports"] for name, service in always.items() if "ports" in service}
    assert published == {"gateway": ["${VISAPI_ADDRESS:-127.0.0.1}:${VISAPI_PORT:-8080}:8080"]}


def test_no_password_stands_in_the_compose_file():
    for name, service in SERVICES.items():
        for key, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|PEPPER|TOKEN|SEALING", key):
                assert key.endswith("_FILE"), (name, key)
                assert FILE_OF_A_SECRET.fullmatch(str(value)), (name, key)


def test_images_of_others_have_a_version():
    foreign = {name: s["image"] for name, s in SERVICES.items() if "/visapi/" not in s["image"]}
    assert foreign
    assert {name: image for name, image in foreign.items() if not THIRD_PARTY.match(image)} == {}


def test_compose_looks_for_our_images_where_every_builder_puts_them(monkeypatch: pytest.MonkeyPatch):
    reference = imported("build_images", monkeypatch).reference
    default = re.compile(r"\$\{\w+:-([^}]*)\}")
    ours = {default.sub(r"\1", s["image"]) for s in SERVICES.values() if "/visapi/" in s["image"]}
    assert ours == {reference(f"visapi/{name}:dev") for name in IMAGES}


def test_the_pdf_worker_runs_under_the_profile_that_lets_chromium_have_its_sandbox():
    (profile,) = (each for each in SERVICES["pdf-worker"]["security_opt"] if each.startswith("seccomp="))
    rules = json.loads((ROOT / profile.removeprefix("seccomp=./")).read_text())
    assert rules["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {
        name for rule in rules["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]
    }
    assert {"clone", "clone3", "setns", "unshare", "chroot"} <= allowed
    assert not {"mount", "bpf", "keyctl", "init_module", "perf_event_open", "open_by_handle_at"} & allowed
