"""What a key writes about an account is checked against the shape of its kind."""

from typing import Any

import pytest

from visapi_common.contracts.accounts import CredentialView
from visapi_common.core.errors import ProblemError
from visapi_gateway.accounts.rules import checked_credentials, checked_settings, shown_credentials

SMTP = {"host": "Mail.ÄCME.example.", "from": "Acme <no-reply@acme.example>"}
TOKEN = "xoxb-12345678-abcdWXYZ"


def test_settings_get_their_defaults_and_hosts_one_spelling() -> None:
    assert checked_settings("smtp", SMTP) == {
        "host": "mail.xn--cme-pla.example",
        "from": SMTP["from"],
        "port": 587,
        "tls": "starttls",
        "senders": [],
    }
    assert checked_settings("slack", {}) == {}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"host": "0x7f.1"}, "/settings/host"),
        ({"host": "a b"}, "/settings/host"),
        ({"port": 0}, "/settings/port"),
        ({"tls": "maybe"}, "/settings/tls"),
        ({"from": "a@b.example\r\nBcc: c@d.example"}, "/settings/from"),
        ({"from": "Acme"}, "/settings/from"),
        ({"from": "a@b.example\n"}, "/settings/from"),
        ({"from": "Acme <a@b.example>\n"}, "/settings/from"),
        ({"senders": ["*@b.example\n"]}, "/settings/senders/0"),
        ({"senders": ["a@b.example", "*"]}, "/settings/senders/1"),
        ({"passwort": "x"}, "/settings"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_with_their_place(
    change: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(ProblemError) as refused:
        checked_settings("smtp", {**SMTP, **change})
    assert [mistake.pointer for mistake in refused.value.errors or []] == [pointer]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("smtp", {"username": "u", "password": "shorter"}),
        ("smtp", {"username": "u", "password": "hunter22-secret\nx"}),
        ("smtp", {"username": "u", "password": "hunter22-secret\n"}),
        ("smtp", {"username": "u\n", "password": "hunter22-secret"}),
        ("smtp", {"password": "hunter22-secret"}),
        ("slack", {"token": "hunter22-secret"}),
        ("slack", {"token": "xoxb-12345678-hunter22\n"}),
        ("slack", {"token": TOKEN, "more": "hunter22-secret"}),
    ],
)
def test_credentials_that_cannot_be_used_are_refused_and_not_shown(kind: Any, given: dict[str, Any]) -> None:
    with pytest.raises(ProblemError) as refused:
        checked_credentials(kind, given)
    assert "hunter22" not in f"{refused.value.detail} {refused.value.errors}"


def test_only_the_end_of_a_long_random_credential_is_shown() -> None:
    assert checked_credentials("slack", {"token": TOKEN}) == b'{"token":"xoxb-12345678-abcdWXYZ"}'
    assert shown_credentials("slack", {"token": TOKEN}) == [CredentialView("token", "WXYZ")]
    shown = shown_credentials("smtp", {"username": "ada", "password": "hunter22-secret"})
    assert shown == [CredentialView("password"), CredentialView("username")]
