"""Large inputs and mails as jobs of bounded processes: see `preparing.py`."""

import gc
from datetime import UTC, datetime

import msgspec

from visapi_common.core.egress_policy import EgressRefused
from visapi_common.core.errors import ProblemError
from visapi_common.core.secret_handles import make_handle
from visapi_notifier.accounts.rules.inputs import Named, Wish
from visapi_notifier.channels.email.rules.addresses import Mailbox
from visapi_notifier.channels.email.rules.message import EmailCall, EmailInput, File, Mail, build_request
from visapi_notifier.channels.http.rules import HttpCall
from visapi_notifier.channels.openapi.rules import OpenApiCall
from visapi_notifier.channels.slack.rules import SlackInput
from visapi_notifier.channels.webhook.rules.request import WebhookCall
from visapi_notifier.outbound.rules.job_answers import Problem, Refusal, failure, told
from visapi_notifier.preparing.rules import Call, prepare


class Prepared(msgspec.Struct, frozen=True, tag="prepared"):
    """At most one of them: which one, the function says."""

    http: HttpCall | None = None
    openapi: OpenApiCall | None = None
    webhook: WebhookCall | None = None
    slack: SlackInput | None = None
    email: EmailCall | None = None


class MailOrder(msgspec.Struct, frozen=True):
    """All that a message is made of."""

    wanted: EmailInput
    sender: Mailbox
    files: list[File]
    effect_key: str
    now: datetime


class Made(msgspec.Struct, frozen=True, tag="made"):
    mail: Mail


_Said = Named | Prepared | Made | Problem | Refusal
_encode = msgspec.msgpack.Encoder().encode
_read_wish = msgspec.msgpack.Decoder(Wish).decode
_read_order = msgspec.msgpack.Decoder(MailOrder).decode
_read_said = msgspec.msgpack.Decoder[_Said](_Said).decode


def encode(asked: Wish | MailOrder) -> bytes:
    return _encode(asked)


def read_prepared(result: bytes) -> Named | Call:
    """What `prepare_input` gave. Raises `ProblemError` or `EgressRefused`."""
    said = _read_said(result)
    if isinstance(said, Named):
        return said
    if isinstance(said, Problem | Refusal):
        raise failure(said)
    assert isinstance(said, Prepared), "an input is prepared, no mail is made"
    call = said.http or said.openapi or said.webhook or said.slack or said.email
    assert call is not None, "what was prepared is there"
    return call


def read_made(result: bytes) -> Mail:
    """What `make_mail` gave. Raises `ProblemError`."""
    said = _read_said(result)
    if isinstance(said, Problem | Refusal):
        raise failure(said)
    assert isinstance(said, Made), "a mail is made"
    return said.mail


def prepare_input(payload: bytes) -> bytes:
    """A job: a `Wish`; what is to be sent."""
    gc.disable()  # the process ends with the job; until then millions of containers would be gone through
    try:
        call = prepare(_read_wish(payload))
    except (ProblemError, EgressRefused) as refused:
        return _encode(told(refused))
    match call:
        case Named():
            return _encode(call)
        case HttpCall():
            return _encode(Prepared(http=call))
        case OpenApiCall():
            return _encode(Prepared(openapi=call))
        case WebhookCall():
            return _encode(Prepared(webhook=call))
        case SlackInput():
            return _encode(Prepared(slack=call))
        case EmailCall():
            return _encode(Prepared(email=call))


def make_mail(payload: bytes) -> bytes:
    """A job: a `MailOrder`; the message."""
    gc.disable()
    try:
        return _encode(Made(mail_of(_read_order(payload))))
    except ProblemError as wrong:
        return _encode(told(wrong))


def mail_of(order: MailOrder) -> Mail:
    """The message, whole. Raises `ProblemError` for what cannot be sent."""
    return build_request(
        order.wanted, sender=order.sender, files=order.files, effect_key=order.effect_key, now=order.now
    )


def warm_up() -> None:
    """Have everything imported and built that a first job would: a job may open few files."""
    key = b"k"
    for function, value in (
        ("http.request", {"method": "get", "endpoint": "http://a.example/", "query": {"a": [1]}}),
        ("openapi.request", {"document": "http://a.example/", "operation_id": "a"}),
        ("notify.webhook", {"url": "http://a.example/", "payload": make_handle(key, ["a"])}),
        ("notify.slack", {"channel": "C1", "text": "a"}),
        ("notify.email", {"to": "Ä <a@ä.example>", "html": "<p>&auml;"}),
        ("notify.email", 1),
    ):
        wish = Wish(function, msgspec.json.encode(value), key, [(("a",), "x")])
        try:
            read_prepared(prepare_input(encode(wish)))
        except ProblemError:
            continue
    wanted = EmailInput(to="Ä <a@ä.example>", subject="ä", html="<p>&auml; <a href='http://a'>b</a>")
    files = [File("ä.txt", "text/plain", b"a"), File("a.bin", "application/octet-stream", b"\xff")]
    order = MailOrder(
        wanted, Mailbox("Ä", "a", "b.example"), files, "k" * 64, datetime(2026, 1, 1, tzinfo=UTC)
    )
    read_made(make_mail(encode(order)))
    gc.enable()
