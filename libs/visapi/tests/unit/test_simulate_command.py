"""`visapi simulate`, as its page shows it."""

import json
import re
from pathlib import Path

from typer.testing import CliRunner

from visapi.cli.main import app

PAGE = Path(__file__).parents[4] / "docs/how-to/check-before-you-deploy.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}[^\n]*\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_page_shows_what_the_command_prints(tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text(blocks("yaml")[0])
    (tmp_path / "given.json").write_text(blocks("json")[0])
    arguments = ["simulate", str(tmp_path / "order.yaml"), "--input", "-"]
    ran = CliRunner().invoke(
        app, [*arguments, "--given", str(tmp_path / "given.json")], input='{"amount": 120}'
    )
    assert ran.exit_code == 0, ran.output
    shown = blocks("text")[1]
    assert [line.split() for line in ran.stdout.splitlines()] == [line.split() for line in shown.splitlines()]


def test_a_missing_answer_is_told_and_fails(tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text(blocks("yaml")[0])
    ran = CliRunner().invoke(
        app, ["simulate", str(tmp_path / "order.yaml"), "--input", "-"], input='{"amount": 1}'
    )
    assert ran.exit_code == 1
    assert 'no answer for pay: acme.pay {"amount":1}' in ran.output
    assert 'add to `given`: "/do/0/charge/try/0/pay": {"output": …} (or "error")' in ran.output


def test_an_answer_for_nobody_is_a_mistake_of_use(tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text(blocks("yaml")[0])
    (tmp_path / "given.json").write_text('{"nobody": {"output": 1}}')
    ran = CliRunner().invoke(
        app, ["simulate", str(tmp_path / "order.yaml"), "-g", str(tmp_path / "given.json")]
    )
    assert ran.exit_code == 2
    assert "/given/nobody" in ran.output


def test_answers_may_be_written_as_yaml_and_machines_read_json(tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text(blocks("yaml")[0])
    (tmp_path / "given.yaml").write_text("pay: {output: {paid: 5}, after: PT1M}\n")
    (tmp_path / "input.yaml").write_text("amount: 5\n")
    options = ["-g", str(tmp_path / "given.yaml"), "-i", str(tmp_path / "input.yaml"), "--json"]
    ran = CliRunner().invoke(app, ["simulate", str(tmp_path / "order.yaml"), *options])
    told = json.loads(ran.stdout)
    assert (ran.exit_code, told["status"], told["elapsed_ms"]) == (0, "completed", 60_000)


def test_an_expression_that_never_ends_is_an_error_of_the_simulated_run(tmp_path: Path) -> None:
    (tmp_path / "endless.yaml").write_text(
        "document: {dsl: '1.0.3', namespace: a, name: b, version: '1.0.0'}\n"
        "do: [{a: {set: {x: '${ [range(1e12)] | length }'}}}]\n"
    )
    ran = CliRunner().invoke(app, ["simulate", str(tmp_path / "endless.yaml")])
    assert ran.exit_code == 1
    assert "exceeded its budget" in ran.stdout + ran.stderr
