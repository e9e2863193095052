"""A corpus of texts with and without personal data, and the time that hostile texts take."""

import time
from pathlib import Path

import pytest

from visapi_common.core.redact import ITEMS_MAX, RECORD_MAX, TEXT_MAX, redact, redact_text

CASES = [
    line
    for line in (Path(__file__).parent / "personal_data.txt").read_text("utf-8").splitlines()
    if line[:1] not in ("", "#")
]
HIDDEN = [tuple(line.removeprefix("hidden: ").split(" => ")) for line in CASES if line.startswith("hidden: ")]
KEPT = [line.removeprefix("kept: ") for line in CASES if line.startswith("kept: ")]

HOSTILE = [
    *(
        "a.",
        "a@",
        "a@b.",
        "eyJ-",
        "eyJabcdefgh.",
        "1 ",
        "1-",
        "1.",
        "12.",
        "+1",
        "+1 ",
        "4 1",
        "41",
        "A1",
        "AA11 ",
        "<",
        "A<",
        "2001:",
    ),
    *(
        ":",
        "::",
        '"password":',
        '"a_',
        "password=",
        "phone",
        "phone:",
        "phone 1",
        "passport ",
        "born ",
        "P O Box ",
        "1 Aa ",
        "Aaaa",
    ),
    *(
        "://a:",
        "?sig=",
        "Bearer ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "visapi_live_",
        "visapi_live_a_",
        "xoxb-",
        "@",
        "%40",
    ),
    *(
        "0049 ",
        "00 ",
        "(",
        "(212) ",
        "0170/",
        "\\",
        '"',
        "'",
        "\n",
        "\u00a0",
        "ä",
        "Straße ",
        "AB12",
        "passports" * 3,
    ),
]


def test_the_corpus_is_large() -> None:
    assert len(HIDDEN) >= 100
    assert len(KEPT) >= 100


@pytest.mark.parametrize(("text", "masked"), HIDDEN)
def test_personal_data_is_hidden_where_it_stands(text: str, masked: str) -> None:
    assert redact_text(text) == masked
    assert redact_text(masked) == masked


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_personal_data_stays(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("text", [text for text, _ in HIDDEN])
def test_personal_data_stays_when_that_is_asked_for(text: str) -> None:
    assert redact_text(text, personal=False) == text


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_line_of_a_megabyte_costs_milliseconds(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    masked = redact_text(text)
    assert time.process_time() - began < 0.1
    assert len(masked) < 3 * TEXT_MAX


def test_a_record_of_many_large_texts_is_bounded() -> None:
    began = time.process_time()
    masked = redact({"items": ["anna@example.com " * 10_000 for _ in range(1000)], "last": "x"})
    assert time.process_time() - began < 0.2
    assert len(repr(masked)) < 2 * RECORD_MAX + 10 * ITEMS_MAX


def test_a_record_of_very_many_values_is_bounded() -> None:
    masked = redact({f"k{number}": number for number in range(100_000)})
    assert len(masked) <= ITEMS_MAX + 1


@pytest.mark.parametrize("padding", [TEXT_MAX - 40 + step for step in range(0, 60, 5)])
def test_a_secret_at_the_place_where_a_text_is_cut_is_not_shown_in_half(padding: int) -> None:
    text = "x " * (padding // 2) + "postgresql://app:hunter22hunter22@db/visapi " + "y " * TEXT_MAX
    assert "hunter" not in redact_text(text)
    text = "x " * TEXT_MAX + "postgresql://app:hunter22hunter22@db/visapi " + "y " * (padding // 8)
    assert "hunter" not in redact_text(text)


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("passportNumber", "C01X00T47", "<private>"),
        ("customer_email", "anna at example", "<private>"),
        ("date_of_birth", "1984-03-12", "<private>"),
        ("to", "972501234567", "<phone>"),
        ("to", "running", "running"),
        ("phones", 3, 3),
        ("card", 4111111111111111, "<card>"),
        ("rows", 4111111111111112, 4111111111111112),
        ("name", "visa-approval", "visa-approval"),
        ("address", "10.0.0.5", "10.0.0.5"),
    ],
)
def test_a_field_may_say_by_its_name_that_it_is_personal(field: str, value: object, shown: object) -> None:
    assert redact({field: value}) == {field: shown}


def test_objects_in_a_record_are_looked_into() -> None:
    shown = redact({"error": ValueError("no mailbox anna@example.com"), "anna@example.com": 1})
    assert shown == {"error": "ValueError('no mailbox <email>')", "<email>": 1}
