"""The description is true: of every route, and against a fuzzer."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import openapi_spec_validator
import pytest

from kit.forms import FULL
from kit.servers import NatsServer
from kit.verifying_notifier import verifying_notifier
from visapi_gateway.slices import operations

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,unsupported_method,ignored_auth,missing_required_header,negative_data_rejection"
)
EXAMPLES = "8" if FULL else "2"
SETTINGS = """
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "414", "415", "422", "428", "429", "431"]
"""
PHASES = "examples,coverage,fuzzing" if FULL else "examples,fuzzing"
"""The short form sends each operation a few requests, valid and not; `make attacks` all boundaries of each parameter too."""
PARTS = ("^/v1/runs", "^/v1/(workflows|schedules)")
KEYS = "^/v1/keys"
"""Tried last: these operations may end the fuzzer's own key."""


async def test_the_openapi_document_is_valid_and_complete(gateway: Any) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    openapi_spec_validator.validate(document)
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert len(described) == len(operations())
    for methods in document["paths"].values():
        for operation in methods.values():
            assert "500" in operation["responses"]
            if operation.get("security") != []:
                assert {"401", "403", "429"} <= set(operation["responses"])


async def test_the_docs_load_nothing_from_elsewhere(gateway: Any) -> None:
    page = (await gateway.http.get("/docs")).text
    assert "<script" not in page
    assert "http://" not in page
    assert 'src="' not in page
    assert "startRun" in page


async def test_the_type_of_a_problem_leads_to_its_page(gateway: Any) -> None:
    refused = (await gateway.http.get(f"/v1/runs/{UUID(int=7)}")).json()
    async with gateway.client(None) as nobody:
        page = await nobody.get(urlsplit(refused["type"]).path)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert refused["title"] in page.text
        assert "readRun" in page.text
        assert "/problems/run-not-found" in (await nobody.get("/problems")).text
        for path in ("/problems/nothing", "/problems/run_not_found", "/problems/%3Cscript%3E"):
            unknown = await nobody.get(path)
            assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


async def test_capabilities_and_functions_are_told(gateway: Any) -> None:
    told = (await gateway.http.get("/v1/capabilities")).json()
    assert (told["dsl"], told["schedules"]) == ("1.0.3", ["every", "cron", "after", "on"])
    assert {"for", "listen", "emit", "run"} <= set(told["tasks"])
    assert {"run.shell", "call.grpc", "use.catalogs"} <= set(told["refused"])
    functions = (await gateway.http.get("/v1/functions")).json()
    assert [spec["name"] for spec in functions["items"]] == ["flow.map", "human.approve"]
    assert all(spec["input_schema"]["required"] for spec in functions["items"])


async def test_readiness_tells_its_checks(gateway: Any) -> None:
    checks = (await gateway.http.get("/readyz?verbose")).json()["checks"]
    assert checks == {"postgres": "ok", "nats": "ok", "draining": "no"}


@pytest.mark.timeout(900 if FULL else 300)
async def test_a_fuzzer_finds_no_contradiction(gateway: Any, shared_nats: NatsServer, tmp_path: Path) -> None:
    """Side by side: it waits more than it works, as some requests do."""
    await gateway.deploy()
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{gateway.base}/openapi.json",
        "-H", f"Authorization: Bearer {gateway.admin}", "--checks", CHECKS, "--max-examples", EXAMPLES,
        "--phases", PHASES, "--seed", "1", "--no-color", "--request-timeout", "10",
    ]  # fmt: skip
    parts = [["--include-path-regex", part] for part in PARTS]
    rest = ["--exclude-path-regex", "|".join((*PARTS, KEYS))]

    async def fuzz(part: list[str], number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *command, *part, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()[-6000:]

    async with verifying_notifier(shared_nats), asyncio.TaskGroup() as group:
        for number, part in enumerate([*parts, rest]):
            group.create_task(fuzz(part, number))
    # A key that has ended would be refused everywhere, and nothing would be tried.
    assert (await gateway.http.get("/v1/keys/current")).status_code == 200
    await fuzz(["--include-path-regex", KEYS], len(parts) + 1)
