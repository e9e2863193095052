"""`notify.email`: the message that is built, and what is refused before it can do harm."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visapi_common.core.errors import ProblemError
from visapi_notifier.channels.email.rules.addresses import mailbox
from visapi_notifier.channels.email.rules.html_text import html_of, text_of
from visapi_notifier.channels.email.rules.message import (
    EmailInput,
    File,
    Mail,
    build_request,
    checked_attachments,
)
from visapi_notifier.channels.email.rules.relay import relay_of

KEY = "b2" * 32
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SENDER = mailbox("VisAPI <no-reply@visa.example>", "from")
INJECTIONS = ["\r\nBcc: all@x.example", "\nX: y", "\rX: y", "\0", "\x0bx", "\x85X: y", "\u2028X: y"]


def build(files: list[File] | None = None, **fields: Any) -> Mail:
    wanted = msgspec.convert(
        {"to": "ada@example.com", "subject": "Hi", "text": "Hello", **fields}, EmailInput
    )
    return build_request(wanted, sender=SENDER, files=files or [], effect_key=KEY, now=NOW)


def parsed(mail: Mail) -> EmailMessage:
    message = message_from_bytes(mail.message, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_a_message_has_both_bodies_and_a_stable_id() -> None:
    mail = build(
        to=["Ada Lovelace <ada@Example.COM>", "bob@example.com"],
        cc="eve@example.com",
        html="<p>Hello <b>you</b></p>",
    )
    message = parsed(mail)
    assert list(mail.recipients) == ["ada@example.com", "bob@example.com", "eve@example.com"]
    assert str(message["To"]) == "Ada Lovelace <ada@example.com>, bob@example.com"
    assert message["Message-ID"] == mail.message_id == f"<{KEY[:40]}@visa.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert body(message, "plain").strip() == "Hello"
    assert "<b>you</b>" in body(message, "html")


def test_the_same_mail_is_the_same_bytes() -> None:
    files = [File("a.pdf", "application/pdf", b"%PDF-1.7")]
    assert build(files=files, html="<p>x</p>").message == build(files=files, html="<p>x</p>").message


def test_attachments_keep_their_name_type_and_bytes() -> None:
    message = parsed(build(files=[File("Visum für Ada.pdf", "application/pdf", bytes(range(256)))]))
    attachment = next(message.iter_attachments())
    assert attachment.get_filename() == "Visum für Ada.pdf"
    assert attachment.get_content_type() == "application/pdf"
    assert attachment.get_content() == bytes(range(256))


def test_a_missing_twin_is_made() -> None:
    html_only = parsed(
        build(
            text=None,
            html="<h1>Approved</h1><p>See <a href='https://x.example/a'>here</a></p><script>x()</script>",
        )
    )
    assert body(html_only, "plain").splitlines()[0] == "Approved"
    assert "here (https://x.example/a)" in body(html_only, "plain")
    assert "x()" not in body(html_only, "plain")
    text_only = parsed(build(text="a < b\n\nc"))
    assert "a &lt; b" in body(text_only, "html")


@pytest.mark.parametrize("evil", INJECTIONS)
@pytest.mark.parametrize("field", ["to", "cc", "subject"])
def test_no_field_smuggles_a_header(field: str, evil: str) -> None:
    value = f"ada@example.com{evil}" if field != "subject" else f"Hi{evil}"
    with pytest.raises(ProblemError, match=f"/{field}"):
        build(**{field: value})  # type: ignore[arg-type]
    if field == "to":
        with pytest.raises(ProblemError, match="/to/1"):
            build(to=["a@example.com", f"Eve{evil} <eve@example.com>"])


@pytest.mark.parametrize(
    "address",
    ["", "ada", "@example.com", "ada@", "a@b@c", "a b@example.com", "ada@exa mple.com", "ada@example.com, eve@example.com",
     "<ada@example.com> eve@x.example", "ada@-x.example", "ada@x..example", "ada@[127.0.0.1]", "ada@x.example>", '"a\\"@b"@x.example'],
)  # fmt: skip
def test_what_is_not_one_address_is_refused(address: str) -> None:
    with pytest.raises(ProblemError, match="/to"):
        build(to=address)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\r\nb", "a/b", "a\\b", "x" * 300])
def test_a_file_name_that_is_none_is_refused(name: str) -> None:
    wanted = EmailInput(
        to="a@example.com", attachments=msgspec.convert([{"artifact": "x.pdf", "name": name}], list[Any])
    )
    wanted = msgspec.convert(msgspec.to_builtins(wanted), EmailInput)
    with pytest.raises(ProblemError, match="/attachments/0/name"):
        checked_attachments(wanted)


def test_an_attachment_is_named_by_id_or_by_the_workers_reference() -> None:
    ref = {
        "id": "ab.pdf",
        "sha256": "ab",
        "size": 1,
        "media_type": "application/pdf",
        "name": "visa.pdf",
        "pages": 1,
    }
    wanted = msgspec.convert(
        {"to": "a@example.com", "attachments": [{"artifact": "cd.png"}, {"artifact": ref}]}, EmailInput
    )
    assert checked_attachments(wanted) == [
        ("cd.png", "attachment-1.png", ""),
        ("ab.pdf", "visa.pdf", "application/pdf"),
    ]


def test_a_mail_must_say_something_to_somebody() -> None:
    with pytest.raises(ProblemError, match="/text, /html or /template"):
        build(text=None)
    with pytest.raises(ProblemError, match="/to"):
        build(to=[])
    with pytest.raises(ProblemError, match="100"):
        build(to=[f"a{n}@example.com" for n in range(101)])


def test_a_message_above_the_limit_is_refused() -> None:
    with pytest.raises(ProblemError) as caught:
        build(files=[File("a.bin", "application/octet-stream", bytes(20 * 1024 * 1024))])
    assert caught.value.status == 413


def test_unicode_subjects_names_and_domains_travel() -> None:
    mail = build(to="Zoë Ångström <zoe@bücher.example>", subject="Visum genehmigt ✓ " + "lang " * 40)
    message = parsed(mail)
    assert list(mail.recipients) == ["zoe@xn--bcher-kva.example"]
    assert str(message["To"]) == "Zoë Ångström <zoe@xn--bcher-kva.example>"
    assert str(message["Subject"]).startswith("Visum genehmigt ✓ lang")
    assert mail.message.isascii()


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_subject_and_text_is_refused_or_arrives_without_new_headers(subject: str, text: str) -> None:
    try:
        mail = build(subject=subject, text=text)
    except ProblemError:
        return
    message = parsed(mail)
    assert set(message.keys()) == {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    }
    assert max(len(line) for line in mail.message.split(b"\r\n")) <= 998


@given(st.text(max_size=300))
def test_any_markup_becomes_text_and_any_text_markup(text: str) -> None:
    assert text_of(text).endswith("\n")
    assert text_of(html_of(text)) is not None


@pytest.mark.parametrize("url", ["http://x", "smtp://", "smtp://h?starttls=maybe", "x"])
def test_a_relay_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"relay|starttls"):
        relay_of(url)


def test_a_relay_url_is_read_whole() -> None:
    relay = relay_of("smtp://us%40er:p%3Ass@mail.example:2525?starttls=required")
    assert (relay.host, relay.port, relay.user, relay.password, relay.starttls) == (
        "mail.example",
        2525,
        "us@er",
        "p:ss",
        "required",
    )
    assert relay_of("smtps://mail.example").port == 465
