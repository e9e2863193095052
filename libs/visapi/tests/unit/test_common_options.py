"""`--output`, `--curl` and `--context`, which all commands of a kind have."""

import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from visapi.cli.contexts import contexts_file
from visapi.cli.main import app
from visapi.cli.output import USAGE

CURL = "curl --fail-with-body -sS"
AUTHORIZATION = '-H "Authorization: Bearer $VISAPI_API_KEY"'
KEY = "visapi_live_0123456789abcdef_secret"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("VISAPI_API_KEY", KEY)
    monkeypatch.setenv("VISAPI_URL", "http://127.0.0.1:1")


def run(*words: str, stdin: str | None = None) -> tuple[int, str]:
    ran = CliRunner().invoke(app, words, input=stdin)
    return ran.exit_code, ran.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("run", "list", "--status", "faulted"),
            f"{CURL} 'http://127.0.0.1:1/v1/runs?status=faulted&limit=20' {AUTHORIZATION}",
        ),
        (
            ("run", "watch", "0192f0c1"),
            f"{CURL} -N http://127.0.0.1:1/v1/runs/0192f0c1/history {AUTHORIZATION} -H 'Accept: text/event-stream'",
        ),
        (
            ("endpoint", "remove", "it's"),
            (
                f"id1=$({CURL} 'http://127.0.0.1:1/v1/endpoints?limit=200&name=it%27s' {AUTHORIZATION}"
                f" | jq -r '.items[0].id')\n{CURL} -X DELETE \"http://127.0.0.1:1/v1/endpoints/$id1\" {AUTHORIZATION}"
            ),
        ),
    ],
)
def test_curl_is_printed_and_nothing_is_sent(words: tuple[str, ...], expected: str):
    assert run(*words, "--curl") == (0, f"{expected}\n")


@pytest.mark.parametrize(
    "words",
    [
        ("account", "put", "mail", "--kind", "smtp", "--credentials", "-", "--set", "host=smtp.example.com"),
        ("account", "rotate", "mail", "--credentials", "-"),
    ],
)
def test_credentials_are_not_printed(words: tuple[str, ...]):
    code, printed = run(*words, "--curl", stdin='{"username": "ada", "password": "correct horse"}')
    assert (code, "--data-binary @-" in printed, "correct horse" in printed) == (0, True, False)


def test_what_comes_in_lines_is_not_asked_for_either(tmp_path: Path):
    kept = tmp_path / "acme.jsonl"
    kept.write_text("from before")
    code, printed = run("tenant", "export", "acme", "--output", str(kept), "--curl")
    assert (code, printed) == (0, f"{CURL} http://127.0.0.1:1/v1/tenants/acme/export {AUTHORIZATION}\n")
    assert [(each.name, each.read_text()) for each in tmp_path.glob("acme*")] == [
        ("acme.jsonl", "from before")
    ]
    code, printed = run("run", "follow", "--curl")
    assert (code, printed.startswith(f"{CURL} -N http://127.0.0.1:1/v1/runs/changes")) == (0, True)


def test_the_printed_body_is_the_one_that_a_shell_gives_to_curl():
    body = '{"name": "Ada\'s $HOME `id` \\"quoted\\""}'
    code, printed = run("run", "start", "d/w", "--input", "-", "--curl", stdin=body)
    assert (code, KEY in printed) == (0, False)
    show = 'curl() { while [ $# -gt 0 ]; do [ "$1" = --data-binary ] && printf %s "$2"; shift; done; }\n'
    ran = subprocess.run(["sh", "-c", show + printed], capture_output=True, text=True, check=True)
    assert ran.stdout == body


def test_one_result_is_printed_in_each_format(tmp_path: Path):
    run("context", "add", "a", "http://a")
    run("context", "add", "b", "http://b")
    assert yaml.safe_load(run("context", "list", "-o", "yaml")[1])[0]["name"] == "a"
    assert (
        run("context", "list", "-o", "jsonl")[1].splitlines()[1]
        == '{"name":"b","url":"http://b","current":false}'
    )
    assert run("context", "list", "--json")[1] == run("context", "list", "--output", "json")[1]
    assert run("context", "list")[1].split() == [
        "NAME",
        "URL",
        "CURRENT",
        "a",
        "http://a",
        "yes",
        "b",
        "http://b",
    ]
    assert run("context", "list", "-o", "xml")[0] == USAGE


def test_a_context_gives_gateway_and_key_and_is_read_by_its_owner_only(monkeypatch: pytest.MonkeyPatch):
    assert run("context", "add", "prod", "http://prod:1/", "--key", "-", stdin=f"{KEY}\n")[0] == 0
    assert stat.S_IMODE(contexts_file().stat().st_mode) == 0o600
    assert "http://prod:1/v1/runs" in run("run", "list", "--context", "prod", "--curl")[1]
    assert "http://127.0.0.1:1/v1/runs" in run("run", "list", "--curl")[1]
    monkeypatch.delenv("VISAPI_URL")
    assert "http://prod:1/v1/runs" in run("run", "list", "--curl")[1]
    assert run("run", "list", "--context", "none", "--curl")[0] == USAGE
    contexts_file().chmod(0o640)
    assert run("run", "list", "--curl")[0] == USAGE


def test_a_key_is_no_argument():
    assert run("context", "add", "prod", "http://prod", "--key", KEY)[0] == USAGE
    assert not contexts_file().exists()
