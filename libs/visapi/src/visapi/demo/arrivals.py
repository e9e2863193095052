"""Checks what the receivers of the demo got, independently of VisAPI."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import msgspec
import pikepdf


class Finding(msgspec.Struct, frozen=True):
    """One thing that was checked; `detail` says what was found, or what is missing."""

    what: str
    ok: bool
    detail: str


def check_mail(new: Sequence[Path], recipient: str, sha256: str) -> Finding:
    """Exactly one new mail to the recipient, with the very PDF that was rendered."""
    what = "certificate mailed"
    mine = [(path, mail) for path in new if recipient in str((mail := _mail(path)).get("To", ""))]
    if len(mine) != 1:
        return Finding(what, False, f"{len(mine)} mails to {recipient} arrived, 1 was expected")
    path, mail = mine[0]
    parts = [part for part in mail.iter_attachments() if part.get_content_type() == "application/pdf"]
    if len(parts) != 1:
        return Finding(what, False, f"{path} carries {len(parts)} PDFs")
    content = parts[0].get_payload(decode=True)
    assert isinstance(content, bytes)
    try:
        with pikepdf.open(io.BytesIO(content)) as document:
            pages = len(document.pages)
    except pikepdf.PdfError as error:
        return Finding(what, False, f"the PDF in {path} cannot be read: {error}")
    if hashlib.sha256(content).hexdigest() != sha256:
        return Finding(what, False, f"the PDF in {path} is not the one that was rendered")
    return Finding(what, True, f"{recipient} got {pages} page(s), {len(content) / 1024:.0f} KB")


def check_webhook(records: Sequence[Mapping[str, Any]], run: str) -> Finding:
    """Received once, signed, under one effect key."""
    what = "partner's webhook"
    mine = [record for record in records if run in str(record.get("body", ""))]
    keys = {record.get("id") for record in mine}
    if not mine:
        return Finding(what, False, "nothing was received for this run")
    if not all(record.get("verified") is True for record in mine):
        return Finding(what, False, "a signature could not be verified")
    if len(keys) != 1 or len(mine) != 1:
        return Finding(what, False, f"received {len(mine)} times under {len(keys)} effect keys")
    return Finding(what, True, "received once, signature verified, one effect key")


def check_slack(new: Sequence[Mapping[str, Any]], reference: str) -> Finding:
    """Exactly one new message that names the case."""
    what = "Slack message"
    texts = [str(record.get("message", "")) for record in new]
    mine = [text for text in texts if reference in text]
    if len(mine) != 1:
        return Finding(what, False, f"{len(mine)} messages name {reference}, 1 was expected")
    return Finding(what, True, f"posted once, names {reference}")


def _mail(path: Path) -> EmailMessage:
    mail = message_from_bytes(path.read_bytes(), policy=default)
    assert isinstance(mail, EmailMessage)
    return mail
