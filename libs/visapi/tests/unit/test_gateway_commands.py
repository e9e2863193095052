"""Commands against a scripted gateway: `doctor`, `listen`, and the groups of workflows, schedules, secrets, events."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kit.scripted_gateway import ScriptedGateway, scripted_gateway
from visapi.cli.main import app
from visapi.cli.output import AUTHENTICATION, FAILURE, NOT_FOUND, UNREACHABLE, USAGE
from visapi.client import verify

TIME = "2026-11-24T12:00:00Z"
ID = "0192f0c1-7b6e-7cc3-98a1-2f0c9a1b2c3d"
KEY = {
    "id": "3fK9vTq2", "name": "reports", "kind": "live", "status": "active", "scopes": ["runs:read"],
    "workflows": None, "allowed_addresses": None, "denied_addresses": None, "created_by": "key:a",
    "created_at": TIME, "not_before": None, "expires_at": TIME, "disabled_at": None, "reason": None,
    "last_used_at": None, "last_used_from": None, "links": {},
}  # fmt: skip
CAPABILITIES = {
    "version": "9.9.9", "dsl": "1.0.3", "dsl_versions": [], "tasks": [], "calls": [], "schedules": [],
    "authentications": [], "refused": {}, "features": {}, "limits": {},
}  # fmt: skip
SCHEDULE = {
    "namespace": "reports", "name": "nightly", "version": "1.0.0", "spec": {}, "paused": True, "next": [],
    "last_run": None, "buffered": None, "fires": [], "links": {},
}  # fmt: skip
REFUSED = {"type": "t", "title": "Refused", "status": 401, "code": "unauthenticated"}


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedGateway]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("VISAPI_API_KEY", "key")
    with scripted_gateway() as running:
        monkeypatch.setenv("VISAPI_URL", running.url)
        yield running


def run(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, words, input=stdin)


def test_the_doctor_tells_of_the_key_the_clock_and_the_versions(gateway: ScriptedGateway):
    gateway.says({"status": "ready", "checks": {}}, KEY, CAPABILITIES)
    found = run("doctor", "-o", "json")
    levels = {each["what"]: each["level"] for each in json.loads(found.stdout)}
    assert (found.exit_code, levels) == (
        0,
        {
            "gateway": "ok",
            "ready": "ok",
            "clock": "ok",
            "key": "ok",
            "key ends": "warn",
            "scopes": "ok",
            "version": "warn",
        },
    )


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([(200, {}, {}), (401, {}, REFUSED)], AUTHENTICATION),
        ([(503, {}, {"status": "not ready", "checks": {}})], FAILURE),
    ],
)
def test_the_doctor_ends_with_the_code_of_what_is_wrong(gateway: ScriptedGateway, answers: Any, code: int):
    gateway.answers = answers
    assert run("doctor").exit_code == code


def test_a_gateway_that_nobody_serves_has_a_code_of_its_own(gateway: ScriptedGateway):
    gateway.server_close()
    assert run("doctor").exit_code == UNREACHABLE
    assert run("key", "list").exit_code == UNREACHABLE


def test_what_is_not_there_has_a_code_of_its_own(gateway: ScriptedGateway):
    gateway.answers = [
        (404, {}, {"type": "t", "title": "No such run", "status": 404, "code": "run_not_found"})
    ]
    assert run("run", "get", ID).exit_code == NOT_FOUND


def test_webhooks_that_come_are_forwarded_once_with_their_id_and_a_signature(
    gateway: ScriptedGateway, tmp_path: Path
):
    def message(number: int) -> dict[str, Any]:
        return {
            "id": f"{ID[:-1]}{number}", "type": "run.completed", "state": "pending", "attempts": 0, "size": 2,
            "created_at": TIME, "next_attempt_at": None, "ended_at": None, "links": {},
        }  # fmt: skip

    body = {"type": "run.completed", "timestamp": TIME, "data": {"run": ID}}
    page = {"items": [message(2), message(1), message(0)], "next": None}
    endpoint = {
        "id": ID, "name": "shop", "url": "https://a", "types": ["*"], "filter": {"workflows": None, "sources": None},
        "ordered": False, "enabled": True, "disabled_reason": None, "disabled_at": None, "failing_since": None,
        "secrets": [], "created_at": TIME, "created_by": "a", "updated_at": TIME, "updated_by": "a", "links": {},
    }  # fmt: skip
    secret = tmp_path / "secret"
    secret.write_text("whsec_c2VjcmV0\n")
    with scripted_gateway() as receiver:
        receiver.answers = [(500, {}, "broken"), (200, {}, "fine")]
        details = [{**message(number), "body": body, "log": []} for number in (1, 2)]
        gateway.says(
            {"items": [endpoint], "next": None}, {"items": [message(0)], "next": None}, page, *details
        )
        ran = run("listen", "shop", "--forward-to", receiver.url, "--secret", str(secret), "--count", "2")
        assert ran.exit_code == 0, ran.output
        webhooks = [verify(one.body, one.headers, ["whsec_c2VjcmV0"]) for one in receiver.asked]
    assert [(one.id, one.data) for one in webhooks] == [
        (message(number)["id"], {"run": ID}) for number in (1, 2)
    ]
    assert [line.split()[-1] for line in ran.stdout.splitlines()] == ["500", "200"]


def test_a_secret_is_read_from_stdin_and_never_printed(gateway: ScriptedGateway):
    gateway.answers = [(204, {}, None)]
    stored = run(
        "secret", "set", "partner", "--value", "-", "--host", "api.example.com", stdin="correct horse\n"
    )
    assert stored.exit_code == 0, stored.output
    [asked] = gateway.asked
    assert (asked.method, asked.path) == ("PUT", "/v1/secrets/partner")
    assert json.loads(asked.body) == {"value": "correct horse", "hosts": ["api.example.com"]}
    shown = run("secret", "set", "partner", "--value", "-", "--curl", stdin="correct horse")
    assert "--data-binary @-" in shown.stdout
    assert "correct" not in shown.output


def test_events_are_sent_from_a_file_or_from_options(gateway: ScriptedGateway):
    receipts = {"items": [{"id": "42", "source": "/shop", "duplicate": True}]}
    gateway.says(receipts, receipts)
    one = {"specversion": "1.0", "id": "42", "source": "/shop", "type": "paid", "data": {"a": 1}}
    assert run("event", "send", "-", stdin=json.dumps(one)).stdout == "/shop 42  was known\n"
    words = ("--type", "paid", "--id", "42", "--source", "/shop", "--data", "-")
    assert run("event", "send", *words, stdin='{"a": 1}').exit_code == 0
    assert [json.loads(asked.body) for asked in gateway.asked] == [[one], [one]]
    assert run("event", "send").exit_code == USAGE


def test_a_schedule_is_paused_and_backfilled(gateway: ScriptedGateway):
    gateway.says(SCHEDULE, {"fires": 3, "started": 1, "runs": [ID]})
    assert json.loads(run("schedule", "pause", "reports/nightly", "--json").stdout)["paused"] is True
    assert (
        run("schedule", "backfill", "reports/nightly", "--from", "2026-11-01", "--to", "2026-11-02").exit_code
        == 0
    )
    assert json.loads(gateway.asked[1].body) == {
        "from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z", "dry_run": False,
    }  # fmt: skip
    assert run("schedule", "pause", "nightly").exit_code == USAGE


def test_workflows_are_listed_page_after_page(gateway: ScriptedGateway):
    view = {
        "namespace": "shop", "title": None, "summary": None, "input_schema": None, "program": "p", "version": "1.0.0",
        "created_at": TIME, "created_by": "a", "links": {},
    }  # fmt: skip
    pages = [{"items": [{**view, "name": name}], "next": next_} for name, next_ in (("a", "c"), ("b", None))]
    gateway.says(*pages)
    listed = run("workflow", "list", "-o", "jsonl")
    assert [json.loads(line)["name"] for line in listed.stdout.splitlines()] == ["a", "b"]
    assert gateway.asked[1].path.endswith("cursor=c")


def test_a_command_that_only_says_what_it_did_prints_the_answer_in_the_asked_format(gateway: ScriptedGateway):
    made = {**KEY, "key": "visapi_live_made"}
    gateway.answers = [
        (200, {}, KEY),
        (200, {}, KEY),
        (201, {}, made),
        (201, {}, {**KEY, "key": None}),
        (204, {}, None),
    ]
    assert json.loads(run("key", "enable", "3fK9vTq2", "-o", "jsonl").stdout)["name"] == "reports"
    assert run("key", "enable", "3fK9vTq2").stdout == ""
    assert json.loads(run("key", "create", "reports", "-o", "json").stdout)["key"] == "visapi_live_made"
    lost = run("key", "create", "reports")
    assert (lost.exit_code, "visapi key revoke 3fK9vTq2" in lost.stderr) == (FAILURE, True)
    assert run("secret", "remove", "partner", "-o", "json").stdout == ""
