"""What others wrote reaches the reader's terminal as text: each command against a gateway that attacks it."""

import ast
import io
import json
import os
import re
import shlex
import unicodedata
from collections.abc import Iterator
from contextlib import redirect_stdout
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from rich.live import Live
from rich.text import Text
from typer.testing import CliRunner, Result

import visapi
from kit.hostile_gateway import ATTACK, FORGED, HostileGateway, hostile_gateway
from visapi.cli.examples import EXAMPLES
from visapi.cli.foreground import print_notice
from visapi.cli.main import app
from visapi.cli.output import USAGE, Format, as_json, ask_format, done, fail
from visapi.cli.terminal import Terminal, shown, write_content
from visapi.stack.data_directory import DataDirectory
from visapi.stack.supervisor import Notice

DEFINITION = """
document: { dsl: '1.0.3', namespace: shop, name: order, version: '1.0.0' }
do: [{ say: { set: { said: %s } } }]
"""
FILES = {
    "paid.json": "{}", "order.json": "{}", "event.json": "{}", "token.txt": "t", "secret.txt": "whsec_c2VjcmV0",
    "relay.json": '{"user": "a"}', "key.txt": "vsk", "examples/visa-approval.yaml": DEFINITION % "hello",
    "templates/welcome/en.html": "<p>", "templates/welcome/en.txt": "hello",
}  # fmt: skip
ENDS = {("run", "follow"): "--count 1", ("listen",): "--count 1 --secret secret.txt"}
"""What ends a command that goes on until Ctrl-C."""
TELLS_NOTHING = (
    "account delete", "artifact get", "audit verify", "dead-letter replay-many", "endpoint remove", "hook remove",
    "key revoke", "rate remove", "retention reset", "schedule backfill", "secret remove", "secret set",
    "template delete", "tenant export",
)  # fmt: skip
"""Commands that print no text of the gateway's answer."""
IN_LINES = "template preview"
"""Prints a text of several lines as it is."""
ALONE = {"up", "down", "status", "env", "demo", "simulate", "validate", "inbox", "context", "backup", "admin"}
"""Commands that ask no gateway."""
WORDS = sorted({line for line in EXAMPLES if line.split()[1] not in ALONE and "workflow source" not in line})
"""`workflow source` writes a file's bytes to a pipe."""


@pytest.fixture(scope="module")
def gateway() -> Iterator[HostileGateway]:
    with hostile_gateway() as running:
        yield running


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("VISAPI_API_KEY", "key")
    return tmp_path


def run(line: str, url: str | None = None, form: str | None = None) -> Result:
    words = shlex.split(line)[1:]
    words += [
        word for path, more in ENDS.items() if tuple(words[: len(path)]) == path for word in more.split()
    ]
    if form is not None and not {"--output", "-o"} & set(words):
        words += ["--output", form]
    return CliRunner().invoke(app, words, env={"VISAPI_URL": url})


def obeyed(text: str) -> set[str]:
    """Characters that a terminal obeys."""
    bidi = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    return {
        one
        for one in text
        if (unicodedata.category(one) == "Cc" and one not in "\n\t")
        or unicodedata.bidirectional(one) in bidi
        or one in "\u200e\u200f\u061c"
    }


def forges(text: str) -> bool:
    """Whether the attack has a line of its own."""
    return any(line.startswith(FORGED) for line in text.splitlines())


@pytest.mark.parametrize("line", WORDS)
def test_no_command_lets_an_answer_speak_to_the_terminal(line: str, gateway: HostileGateway):
    gateway.refuses = False
    told = ""
    for form in (Format.TABLE, Format.JSON, Format.YAML):
        ran = run(line, gateway.url, form)
        assert ran.exit_code != USAGE, ran.output
        assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
        assert obeyed(ran.output) == set()
        assert not forges(ran.output) or line.removeprefix("visapi ").startswith(IN_LINES), ran.output
        told += ran.output
    assert ("owned" in told) != line.removeprefix("visapi ").startswith(TELLS_NOTHING)


@pytest.mark.parametrize("line", [line for line in WORDS if "doctor" not in line])
def test_no_command_lets_a_refusal_speak_to_the_terminal(line: str, gateway: HostileGateway):
    gateway.refuses = True
    ran = run(line, gateway.url)
    assert obeyed(ran.output) == set()
    assert not forges(ran.output)
    assert "owned" in ran.output


@pytest.mark.parametrize("value", [ATTACK, {ATTACK: [f"ü {ATTACK}"]}, "plain ü", "\x85", "\u2028", "\u200e"])
def test_a_result_for_machines_keeps_its_value(value: Any):
    for form, read in ((Format.JSON, json.loads), (Format.JSONL, json.loads), (Format.YAML, yaml.safe_load)):
        ask_format(form)
        with redirect_stdout(io.StringIO()) as out:
            as_json(value)
        assert obeyed(out.getvalue()) == set()
        assert read(out.getvalue()) == value
    ask_format(Format.TABLE)


def test_what_moves_on_a_terminal_keeps_its_own_codes_and_no_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with redirect_stdout(io.StringIO()) as said:
        out = Terminal()
        with Live(Text(ATTACK), console=out):
            out.print(Text(ATTACK, style="red"))
    assert "\x1b[31m\\u001b]0;owned" in said.getvalue()
    assert [one for one in ("\x1b]", "\x1b[2J", "\x9b", "\u202e") if one in said.getvalue()] == []


def test_a_file_is_written_byte_for_byte_to_a_pipe_and_as_text_to_a_terminal(folder: Path):
    content = b"a\xff\r\n" + ATTACK.encode()
    kept = folder / "kept"
    with kept.open("w") as file, redirect_stdout(file):
        write_content(content)
    assert kept.read_bytes() == content
    main, terminal = os.openpty()
    with os.fdopen(terminal, "w") as file, redirect_stdout(file):
        write_content(content)
        said = os.read(main, 4096).decode()
    os.close(main)
    assert obeyed(re.sub("\r+\n", "\n", said)) == set()
    assert "owned" in said


def test_the_text_of_a_mail_and_of_a_file_of_others_is_shown(folder: Path):
    mail = EmailMessage()
    mail["To"], mail["Subject"] = "ada@visapi.example", "\u202eowned"
    mail.set_content(ATTACK)
    kept = DataDirectory(folder / ".visapi").mail
    kept.mkdir(parents=True)
    (kept / "000001.eml").write_bytes(bytes(mail))
    (folder / "theirs.yaml").write_text(DEFINITION % "'\u202eowned' }, x: {")
    for line in ("inbox list", "inbox show 1", "validate theirs.yaml"):
        ran = run(f"visapi {line}")
        assert obeyed(ran.output) == set()
        assert "owned" in ran.output


def test_a_curl_command_that_would_send_another_body_is_not_printed(folder: Path):
    (folder / "theirs.yaml").write_text(DEFINITION % "'\u202eowned'")
    ran = run("visapi deploy theirs.yaml --curl", "http://127.0.0.1:1")
    assert (ran.exit_code, ran.stdout) == (USAGE, "")


def test_a_line_of_a_log_of_the_stack_is_shown(capsys: pytest.CaptureFixture[str]):
    print_notice(Notice("gateway", ATTACK, trouble=True))
    said = capsys.readouterr().out
    assert obeyed(said) == set()
    assert "[bold]owned[/bold]" in said


def test_a_message_and_a_fact_are_one_line(capsys: pytest.CaptureFixture[str]):
    done(f"removed a\n{FORGED}")
    Terminal(stderr=True).print(Text.assemble(("detail: ", "dim"), f"b\r\n{FORGED}"), f"\n{FORGED}")
    with pytest.raises(typer.Exit):
        fail(f"c\n{FORGED}", hint=f"d\n{FORGED}")
    assert capsys.readouterr().err.splitlines() == [
        rf"✓ removed a\u000a{FORGED}",
        rf"detail: b\u000a{FORGED} \u000a{FORGED}",
        rf"error: c\u000a{FORGED}",
        rf"d\u000a{FORGED}",
    ]


def test_text_stays_as_it_is():
    text = "Müller 👩‍🚀 שלום\t1\r\n2\n"
    assert shown(text) == text


def test_nothing_else_writes_to_the_terminal():
    root = Path(visapi.__file__).parent
    for path in [*(root / "cli").glob("*.py"), *(root / "demo").glob("*.py")]:
        if path.name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            word = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Name) else ""
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert word not in {"sys.stdout", "sys.stderr", "typer.secho"}, f"{path.name}: {word}"
            assert called not in {"print", "Console"}, f"{path.name}: {called}"
            assert called != "typer.echo" or path.name == "main.py", f"{path.name}: {called}"


def test_an_error_that_ends_with_a_log_keeps_its_lines_indented(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(stderr=True).print_error(
        "postgres did not start; its log ends:\nFATAL: no room\nstate: resolved"
    )
    assert capsys.readouterr().err.splitlines() == [
        "error: postgres did not start; its log ends:",
        "  FATAL: no room",
        "  state: resolved",
    ]
