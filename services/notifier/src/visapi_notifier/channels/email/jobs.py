"""Jobs that make large mails in bounded processes."""

import gc
from datetime import UTC, datetime

import msgspec

from visapi_common.core.errors import ProblemError
from visapi_notifier.channels.email.rules.addresses import Mailbox
from visapi_notifier.channels.email.rules.message import EmailInput, File, Mail, build_request
from visapi_notifier.outbound.rules.job_answers import Problem, Refusal, failure_of, failure_struct


class MailRequest(msgspec.Struct, frozen=True):
    """All that a message is made of."""

    wanted: EmailInput
    sender: Mailbox
    files: list[File]
    effect_key: str
    now: datetime


class BuiltMail(msgspec.Struct, frozen=True, tag="made"):
    mail: Mail


_JobResult = BuiltMail | Problem | Refusal
_encode = msgspec.msgpack.Encoder().encode
_read_order = msgspec.msgpack.Decoder(MailRequest).decode
_read_said = msgspec.msgpack.Decoder[_JobResult](_JobResult).decode


def encode_order(order: MailRequest) -> bytes:
    """What `make_mail` takes."""
    return _encode(order)


def read_made(result: bytes) -> Mail:
    """What `make_mail` gave. Raises `ProblemError`."""
    said = _read_said(result)
    if isinstance(said, Problem | Refusal):
        raise failure_of(said)
    return said.mail


def make_mail(payload: bytes) -> bytes:
    """A job: a `MailRequest`; the message."""
    gc.disable()  # the process ends with the job
    try:
        return _encode(BuiltMail(mail_of(_read_order(payload))))
    except ProblemError as wrong:
        return _encode(failure_struct(wrong))


def mail_of(order: MailRequest) -> Mail:
    """The complete message. Raises `ProblemError` for a message that cannot be sent."""
    return build_request(
        order.wanted, sender=order.sender, files=order.files, effect_key=order.effect_key, now=order.now
    )


def warm_up() -> None:
    """Import and build everything that the first job needs, because a job may open few files."""
    wanted = EmailInput(to="Ä <a@ä.example>", subject="ä", html="<p>&auml; <a href='http://a'>b</a>")
    files = [File("ä.txt", "text/plain", b"a"), File("a.bin", "application/octet-stream", b"\xff")]
    order = MailRequest(
        wanted, Mailbox("Ä", "a", "b.example"), files, "k" * 64, datetime(2026, 1, 1, tzinfo=UTC)
    )
    read_made(make_mail(encode_order(order)))
    gc.enable()
