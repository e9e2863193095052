"""`visapi simulate`, as its page shows it."""

import re
from pathlib import Path

from typer.testing import CliRunner

from visapi.cli.main import app

PAGE = Path(__file__).parents[4] / "docs/how-to/check-before-you-deploy.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)


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
    assert 'no answer for pay (/do/0/charge/try/0/pay): acme.pay {"amount":1}' in ran.output


def test_an_answer_for_nobody_is_a_mistake_of_use(tmp_path: Path) -> None:
    (tmp_path / "order.yaml").write_text(blocks("yaml")[0])
    (tmp_path / "given.json").write_text('{"nobody": {"output": 1}}')
    ran = CliRunner().invoke(
        app, ["simulate", str(tmp_path / "order.yaml"), "-g", str(tmp_path / "given.json")]
    )
    assert ran.exit_code == 2
    assert "/given/nobody" in ran.output
