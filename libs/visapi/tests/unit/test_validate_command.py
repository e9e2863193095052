"""`visapi validate`: each mistake where it stands in the file."""

import json
import re
from pathlib import Path

from typer.testing import CliRunner, Result

from visapi.cli.main import app

HEAD = "document: {dsl: '1.0.3', namespace: demo, name: checked, version: '1.0.0'}\n"

PAGE = Path(__file__).parents[4] / "docs/how-to/check-before-you-deploy.md"


def validate(tmp_path: Path, text: str, *options: str, name: str = "flow.yaml") -> Result:
    file = tmp_path / name
    file.write_text(text)
    return CliRunner().invoke(app, ["validate", str(file), *options])


def test_a_mistake_is_shown_with_its_line_and_a_caret(tmp_path: Path) -> None:
    ran = validate(tmp_path, HEAD + "do:\n  - pay:\n      call: acme.pay\n      thn: end\n")
    assert ran.exit_code == 1
    assert ran.stderr.splitlines()[:3] == [
        f'{tmp_path}/flow.yaml:5:7: error: unknown property "thn". Did you mean "then"? '
        + ran.stderr.splitlines()[0].partition('"then"? ')[2],
        "      thn: end",
        "      ^",
    ]
    assert ran.stderr.splitlines()[0].endswith("(/do/0/pay/thn)")
    assert ran.stderr.splitlines()[-1] == f"error: {tmp_path}/flow.yaml has 1 mistake"


def test_all_mistakes_are_shown_in_the_order_of_the_text(tmp_path: Path) -> None:
    ran = validate(tmp_path, HEAD + "do:\n  - a: {set: 1}\n  - b: {wait: soon}\n    c: 1\n" + "timeot: 1\n")
    places = [line.split(": ")[0] for line in ran.stderr.splitlines() if line.startswith(str(tmp_path))]
    assert places == [f"{tmp_path}/flow.yaml:{place}" for place in ("3:9", "4:5", "6:1")]


def test_a_syntax_error_is_shown_where_reading_stopped(tmp_path: Path) -> None:
    ran = validate(tmp_path, '{"document": {"dsl": "1.0.3",\n\t"name" "x"}}', name="flow.json")
    assert (ran.exit_code, ran.stderr.splitlines()[:3]) == (
        1,
        [f"{tmp_path}/flow.json:2:9: error: Expecting ':' delimiter", '    "name" "x"}}', "           ^"],
    )


def test_wide_characters_and_long_lines_keep_the_caret_in_its_place(tmp_path: Path) -> None:
    ran = validate(tmp_path, HEAD + "do: [{a: {set: {漢字漢字: x}, nix: 1}}]\n")
    shown, caret = ran.stderr.splitlines()[1:3]
    assert shown == "do: [{a: {set: {漢字漢字: x}, nix: 1}}]"
    assert caret == " " * 30 + "^"
    ran = validate(tmp_path, HEAD + "do: [{a: {set: {x: '" + "y" * 500 + "'}, nix: 1}}]\n")
    shown, caret = ran.stderr.splitlines()[1:3]
    assert len(shown) <= 120
    assert shown[caret.index("^") :].startswith("nix")


def test_what_a_line_holds_cannot_command_the_terminal(tmp_path: Path) -> None:
    ran = validate(tmp_path, HEAD + "do: [{a: {nix: 1}}] # \x07\n")
    assert "\x07" not in ran.stderr


def test_a_valid_file_passes_with_its_warnings_and_a_machine_reads_the_same(tmp_path: Path) -> None:
    text = HEAD + "do:\n  - a: {call: pdf.rendr}\n"
    ran = validate(tmp_path, text)
    assert (ran.exit_code, ran.stderr.splitlines()[-1]) == (0, f"✓ {tmp_path}/flow.yaml is valid")
    assert f"{tmp_path}/flow.yaml:3:9: warning: " in ran.stderr
    told = json.loads(validate(tmp_path, text, "--json").stdout)
    assert (told["valid"], told["errors"]) == (True, [])
    assert [(one["line"], one["column"], one["pointer"]) for one in told["warnings"]] == [
        (3, 9, "/do/0/a/call")
    ]
    wrong = validate(tmp_path, HEAD + "do: []\n", "--json")
    assert (wrong.exit_code, json.loads(wrong.stdout)["errors"][0]["line"]) == (1, 2)


def test_the_page_shows_what_the_command_prints(tmp_path: Path) -> None:
    page = PAGE.read_text()
    text, shown = (re.findall(rf"```{kind}[^\n]*\n(.*?)```", page, re.DOTALL)[0] for kind in ("yaml", "text"))
    broken = text.replace("then: exit", "then: gfit").replace("delay:", "dely:")
    ran = validate(tmp_path, broken, name="broken.yaml")
    assert ran.stderr.replace(f"{tmp_path}/", "") == shown
