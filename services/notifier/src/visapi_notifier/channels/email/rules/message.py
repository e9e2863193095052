"""`notify.email`: one message to a mail relay. SMTP knows no key: effect class *once*.

The bytes of a message depend only on the input, the effect key and the time of the first attempt. The
Message-ID is the same for all attempts, so that a receiver can detect duplicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

import msgspec

from visapi_common.contracts.accounts import AccountName
from visapi_common.contracts.runs import ArtifactRef
from visapi_common.contracts.templates import LocaleName
from visapi_common.core.errors import ProblemError
from visapi_common.core.template_names import read_reference
from visapi_notifier.channels.email.rules.addresses import (
    RECIPIENTS_MAX,
    Mailbox,
    mailbox,
    mailboxes,
    one_line,
)
from visapi_notifier.channels.email.rules.html_text import html_of, text_of

BYTES_MAX = 25 * 1024 * 1024
"""25 MiB encoded is what the large mail providers take."""
TIMEOUT_S = 180.0
"""The timeout of a transaction: relays scan a message before they answer."""
_SUBJECT_MAX = 998
_ATTACHMENTS_MAX = 20


class Attachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stored artifact, by id or as the reference that a worker returned."""

    artifact: str | ArtifactRef
    name: str | None = None

    @property
    def id(self) -> str:
        return self.artifact if isinstance(self.artifact, str) else self.artifact.id


class MailTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Jinja2 sources, rendered with `data`; parts without a template are taken from the input."""

    subject: str | None = None
    text: str | None = None
    html: str | None = None


class EmailInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mail to send. A `template` that is a text names a stored one, as `welcome` or `welcome@3`; any
    other text is an HTML source. `account` names the account that sends the mail; `from` is one of its
    senders.
    """

    to: str | list[str]
    cc: str | list[str] = []
    subject: str = ""
    text: str | None = None
    html: str | None = None
    template: str | MailTemplate | None = None
    data: Any = None
    locale: LocaleName | None = None
    """Of a stored template: `de-AT` means `de` where there is no other, else the template's default."""
    attachments: list[Attachment] = []
    account: AccountName | None = None
    from_: str | None = msgspec.field(default=None, name="from")

    @property
    def reference(self) -> str | None:
        """The name of a stored template."""
        template = self.template
        return template if isinstance(template, str) and read_reference(template) else None

    @property
    def sources(self) -> dict[str, str]:
        """The sources by part that come with the input."""
        if self.reference is not None:
            return {}
        template = MailTemplate(html=self.template) if isinstance(self.template, str) else self.template
        parts = msgspec.structs.asdict(template) if template else {}
        return {name: source for name, source in parts.items() if source is not None}


class EmailCall(msgspec.Struct, frozen=True):
    """A mail that can be made; the data of its template is MessagePack, which only the template reads."""

    wanted: EmailInput
    data: bytes | None = None


def call_of(wanted: EmailInput) -> EmailCall:
    """Raises `ProblemError` for mistakes that do not depend on the template."""
    _recipients(wanted)
    checked_attachments(wanted)
    if wanted.from_ is not None:
        mailbox(wanted.from_, "/from")
    templated = wanted.sources or wanted.reference
    data = msgspec.msgpack.encode(wanted.data) if templated else None
    return EmailCall(msgspec.structs.replace(wanted, data=None), data)


@dataclass(frozen=True, slots=True)
class File:
    """An attachment, or a file that the HTML shows (`cid`), loaded."""

    name: str
    media_type: str
    content: bytes
    cid: str = ""
    """The address of the file in the HTML, after `cid:`; empty for an attachment."""


@dataclass(frozen=True, slots=True)
class Mail:
    """The message for the relay."""

    sender: str
    recipients: Sequence[str]
    message: bytes
    message_id: str


def build_request(
    wanted: EmailInput, *, sender: Mailbox, files: Sequence[File], effect_key: str, now: datetime
) -> Mail:
    """The complete message. Raises `ProblemError` for a message that cannot be sent."""
    to, cc = _recipients(wanted)
    recipients = list(dict.fromkeys(box.address for box in (*to, *cc)))
    message_id = f"<{effect_key[:40]}@{sender.domain}>"
    message = EmailMessage(policy=SMTP.clone(max_line_length=78))
    message["From"] = sender.header
    message["To"] = [box.header for box in to]
    if cc:
        message["Cc"] = [box.header for box in cc]
    message["Subject"] = _subject(wanted)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    _add_bodies(message, wanted)
    _add_files(message, files)
    _fix_boundaries(message, effect_key)
    encoded = message.as_bytes()
    check_size(len(encoded))
    return Mail(sender.address, recipients, encoded, message_id)


def _recipients(wanted: EmailInput) -> tuple[list[Mailbox], list[Mailbox]]:
    to = mailboxes(wanted.to, "/to")
    cc = mailboxes(wanted.cc, "/cc")
    if not to:
        raise ProblemError("invalid_input", "/to: at least one address is needed")
    if len({box.address for box in (*to, *cc)}) > RECIPIENTS_MAX:
        raise ProblemError("invalid_input", f"/to and /cc: at most {RECIPIENTS_MAX} addresses together")
    return to, cc


def check_size(size: int) -> None:
    """Raises `ProblemError` for a message or attachments above the limits of mail providers."""
    if size > BYTES_MAX:
        raise ProblemError(
            "message_too_large",
            f"the message has {size} bytes, at most {BYTES_MAX} can be mailed",
            status=413,
        )


def checked_attachments(wanted: EmailInput) -> list[tuple[str, str, str]]:
    """Artifact id, file name and media type of each attachment. Raises `ProblemError`."""
    if len(wanted.attachments) > _ATTACHMENTS_MAX:
        raise ProblemError(
            "invalid_input", f"/attachments: at most {_ATTACHMENTS_MAX} files fit in a message"
        )
    found: list[tuple[str, str, str]] = []
    for index, attachment in enumerate(wanted.attachments):
        ref = attachment.artifact if isinstance(attachment.artifact, ArtifactRef) else None
        name = (
            attachment.name
            or (ref.name if ref else None)
            or f"attachment-{index + 1}.{attachment.id.rpartition('.')[2]}"
        )
        one_line(name, f"/attachments/{index}/name")
        if "/" in name or "\\" in name or len(name) > 255:
            raise ProblemError(
                "invalid_input", f"/attachments/{index}/name: not a file name of at most 255 characters"
            )
        found.append((attachment.id, name, ref.media_type if ref else ""))
    return found


def _subject(wanted: EmailInput) -> str:
    subject = one_line(wanted.subject, "/subject")
    if len(subject) > _SUBJECT_MAX:
        raise ProblemError("invalid_input", f"/subject: at most {_SUBJECT_MAX} characters")
    return subject


def _add_bodies(message: EmailMessage, wanted: EmailInput) -> None:
    if wanted.text is None and wanted.html is None:
        raise ProblemError("invalid_input", "/text, /html or /template is needed; a mail must say something")
    text = wanted.text if wanted.text is not None else text_of(wanted.html or "")
    markup = wanted.html if wanted.html is not None else html_of(text)
    message.set_content(_lines(text), cte="quoted-printable")
    message.add_alternative(_lines(markup), subtype="html", cte="quoted-printable")


def _add_files(message: EmailMessage, files: Sequence[File]) -> None:
    """Files that the HTML shows stand beside it (RFC 2387); the others are attached."""
    markup = message.get_body(("html",))
    assert isinstance(markup, EmailMessage), "each mail has HTML"
    for file in files:
        main, _, sub = file.media_type.split(";", 1)[0].partition("/")
        sub = sub or "octet-stream"
        if file.cid:
            markup.add_related(
                file.content, maintype=main, subtype=sub, filename=file.name, cid=f"<{file.cid}>"
            )
        else:
            message.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _fix_boundaries(message: EmailMessage, effect_key: str) -> None:
    """Set the boundaries, which the library would choose at random, so that the same mail has the same
    bytes.
    """
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_visapi_{number}_{effect_key[:32]}")
