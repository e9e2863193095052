"""Reading YAML and JSON: one meaning, hard limits, precise refusals."""

from typing import Any

import pytest

from visapi_engine.source.findings import DefinitionInvalid
from visapi_engine.source.reading import DEPTH_MAX, read_source


def read(text: str | bytes, media_type: str = "application/yaml") -> Any:
    return read_source(text.encode() if isinstance(text, str) else text, media_type)


def refusal(text: str | bytes, media_type: str = "application/yaml") -> tuple[str, str]:
    with pytest.raises(DefinitionInvalid) as caught:
        read(text, media_type)
    (error,) = caught.value.errors
    assert caught.value.status == 400
    place = "" if error.line is None else f" at {error.line}:{error.column}"
    return error.pointer, error.detail + place


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = "{on: yes, a: no, b: 12:30, c: 2024-01-01, d: 010, e: 0o10, f: 0x1F, g: 1e3, h: ~, i: , j: TRUE, k: .5, l: -3, m: '1'}"
    assert read(text) == {
        "on": "yes", "a": "no", "b": "12:30", "c": "2024-01-01", "d": 10, "e": 8, "f": 31,
        "g": 1000.0, "h": None, "i": None, "j": True, "k": 0.5, "l": -3, "m": "1",
    }  # fmt: skip


def test_json_reads_as_json_also_when_escaped() -> None:
    assert read(
        '{"a": "\\ud83d\\ude00\\/", "b": [1, 2.5, null, true]}', "application/json; charset=utf-8"
    ) == {
        "a": "😀/",
        "b": [1, 2.5, None, True],
    }


def test_yaml_knows_the_escapes_of_json_in_double_quotes_alone() -> None:
    assert read(r"""
        a: "\u00e9\/\ud83d\ude00\\"
        b: '\ud83d\ude00'
        c: \ud83d\ude00
        d: |
          "\ud83d\ude00"
        "\uD83D\uDE00": "\\\ud83d\ude00"
    """) == {
        "a": "é/😀\\",
        "b": r"\ud83d\ude00",
        "c": r"\ud83d\ude00",
        "d": '"\\ud83d\\ude00"\n',
        "😀": "\\😀",
    }


@pytest.mark.parametrize("text", [r'"\ud83d"', r'"\ude00\ud83d"', r'"\\ud83d\ude00"'])
def test_half_of_a_surrogate_pair_is_refused(text: str) -> None:
    refusal(text)


def test_marks_stay_right_behind_a_surrogate_pair() -> None:
    assert refusal(r'{a: "\ud83d\ude00", b: 1, b: 2}') == (
        "/b",
        'the key "b" stands twice in one object at 1:27',
    )


def test_yaml_that_an_unquoted_expression_breaks_says_to_quote_it() -> None:
    assert "single quotes" in refusal("a:\n  b: ${ .c: 1 }")[1]
    assert "single quotes" in refusal("{a: ${ .b }}")[1]


@pytest.mark.parametrize("media_type", ["application/yaml", "application/json"])
def test_a_duplicate_key_is_refused_where_it_stands(media_type: str) -> None:
    pointer, detail = refusal('{"do": [{"a": {"x": 1, "x": 2}}]}', media_type)
    assert pointer == "/do/0/a/x"
    assert '"x" stands twice' in detail


@pytest.mark.parametrize("media_type", ["application/yaml", "application/json"])
def test_endless_depth_is_refused(media_type: str) -> None:
    assert "nested" in refusal("[" * 100_000 + "]" * 100_000, media_type)[1]
    assert "nested" in refusal("[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1), media_type)[1]
    assert read("[" * DEPTH_MAX + "]" * DEPTH_MAX, media_type) is not None


def test_aliases_are_counted_as_if_written_out() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "more than" in refusal(bomb)[1]
    assert "more than 100 aliases" in refusal("a: &a 1\nb: [" + ",".join(["*a"] * 101) + "]")[1]
    assert "no finished anchor" in refusal("a: &a [*a]")[1]
    nested = "[" * (DEPTH_MAX - 1) + "1" + "]" * (DEPTH_MAX - 1)
    assert "nested" in refusal(f"a: &a {nested}\nb: [[*a]]")[1]
    assert read("a: &a {x: 1}\nb: *a") == {"a": {"x": 1}, "b": {"x": 1}}


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (b"a: \xff", "byte 3 is not valid UTF-8"),
        ("a: b\0", "NUL"),
        ('a: "\\0"', "NUL"),
        ("", "empty"),
        ("a: 1\n---\nb: 2", "a second document begins; send one at a time at 2:1"),
        ("a: !!python/object:os.system x", "tag"),
        ("a: !mine x", "tag"),
        ("base: &b {x: 1}\na:\n  <<: *b", "write the keys out at 3:3"),
        ("1: x", 'write "1" in quotes'),
        ("true: x", "in quotes at 1:1"),
        ("a: 1\nb: 2\na: 3", "stands twice in one object at 3:1"),
        ("a:\n  - 99999999999999999999", "write it as text at 2:5"),
        ("? [a]\n: x", "a key must be text"),
        ("a: .nan", "no JSON form"),
        ("a: 1e999", "too large"),
        ("a: 99999999999999999999", "64 bits"),
        ("a: [1", "did not find expected ',' or ']' at 2:1"),
        ("a: b: c", "mapping values are not allowed in this context at 1:5"),
        ("x: " + "y" * 1_100_000, "allowed are 1048576"),
    ],
)
def test_what_yaml_allows_but_a_definition_does_not_is_refused(text: str | bytes, detail: str) -> None:
    assert detail in refusal(text)[1]


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("{", "double quotes at 1:2"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": "\\u0000"}', "NUL"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"a": ' + "9" * 5000 + "}", "cannot be read"),
    ],
)
def test_what_json_parsers_let_through_is_refused(text: str, detail: str) -> None:
    assert detail in refusal(text, "application/json")[1]


def test_an_unknown_media_type_is_refused() -> None:
    assert "application/yaml or application/json" in refusal("a: 1", "text/html")[1]


def test_a_megabyte_of_small_values_is_refused_while_reading() -> None:
    assert "50000 values" in refusal("[" + "1," * 400_000 + "1]")[1]
