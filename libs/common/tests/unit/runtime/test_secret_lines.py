"""Secrets with a line for each value that may be valid, read again from their files."""

from pathlib import Path

import pytest

from visapi_common.runtime.connections import LedgerSettings
from visapi_common.runtime.secret_lines import FileSecret, lines, newest, text_now
from visapi_common.runtime.settings import SettingsError, load, shown

GIVEN = {
    "VISAPI_NATS_URL": "nats://gateway@nats:4222",
    "VISAPI_POSTGRES_URL": "postgresql://visapi_gateway@postgres/visapi",
}


def settings(**files: Path) -> LedgerSettings:
    return load(
        LedgerSettings, {**GIVEN, **{f"VISAPI_{name.upper()}": str(path) for name, path in files.items()}}
    )


def test_a_secret_has_a_value_for_each_line_and_at_most_four():
    assert lines(None) == ()
    assert lines(" new \n\n old\n") == ["new", "old"]
    assert lines("\n".join("abcdef")) == ["a", "b", "c", "d"]
    assert newest("new\nold") == "new"


def test_a_file_is_read_again(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("first\n")
    secret = FileSecret("first", file)
    file.write_text("second\nfirst\n")
    assert lines(secret) == ["second", "first"]
    assert text_now(secret) == "second\nfirst\n"


@pytest.mark.parametrize("damage", [b"", b"\n \n", b"\xff\xfe", None])
def test_a_file_that_is_damaged_leaves_what_was_read(tmp_path: Path, damage: bytes | None):
    file = tmp_path / "password"
    secret = FileSecret("first", file)
    if damage is not None:
        file.write_bytes(damage)
    assert lines(secret) == ["first"]


def test_the_urls_of_the_stores_take_each_password_of_a_file(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("old")
    given = settings(postgres_password_file=file, nats_password_file=file)
    assert given.postgres_urls() == ["postgresql://visapi_gateway:old@postgres/visapi"]
    file.write_text("n@w\nold")
    assert given.postgres_urls() == [
        "postgresql://visapi_gateway:n%40w@postgres/visapi",
        "postgresql://visapi_gateway:old@postgres/visapi",
    ]
    assert given.nats_urls() == ["nats://gateway:n%40w@nats:4222", "nats://gateway:old@nats:4222"]


def test_a_url_with_its_password_may_have_two_lines_and_is_read_again(tmp_path: Path):
    file = tmp_path / "url"
    file.write_text("nats://gateway:new@a:4222,nats://b:4222\nnats://gateway:old@a:4222\n")
    given = load(
        LedgerSettings,
        {"VISAPI_POSTGRES_URL": GIVEN["VISAPI_POSTGRES_URL"], "VISAPI_NATS_URL_FILE": str(file)},
    )
    assert given.nats_urls() == ["nats://gateway:new@a:4222,nats://b:4222", "nats://gateway:old@a:4222"]
    file.write_text("http://gateway:newer@a\n")
    assert given.nats_urls()[0] == "nats://gateway:new@a:4222,nats://b:4222"
    assert shown(given)["VISAPI_NATS_URL"] == "***"


def test_each_line_of_a_url_is_checked_at_the_start(tmp_path: Path):
    file = tmp_path / "url"
    file.write_text("postgresql://visapi_gateway:new@postgres/visapi\nhttp://old\n")
    with pytest.raises(SettingsError, match="VISAPI_POSTGRES_URL is wrong: it must begin with postgresql://"):
        load(
            LedgerSettings,
            {"VISAPI_NATS_URL": GIVEN["VISAPI_NATS_URL"], "VISAPI_POSTGRES_URL_FILE": str(file)},
        )
