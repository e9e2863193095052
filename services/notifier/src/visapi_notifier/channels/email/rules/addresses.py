"""Mail addresses as workflows write them: `ada@example.com` or `Ada Lovelace <ada@example.com>`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr

import idna

from visapi_common.core.errors import ProblemError

RECIPIENTS_MAX = 100
_ADDRESS_MAX = 1000
"""The most characters of an address with its name: folding long ones into a header is slow."""
_SHOWN_MAX = 320
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A display name and an address whose domain is in ASCII (RFC 5891)."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def header(self) -> Address:
        return Address(display_name=self.name, username=self.local, domain=self.domain)


def mailboxes(value: str | Sequence[str], pointer: str) -> list[Mailbox]:
    """Every address of a field. Raises `ProblemError` naming the one that cannot be used."""
    texts = [value] if isinstance(value, str) else list(value)
    if len(texts) > RECIPIENTS_MAX:
        raise ProblemError(
            "invalid_input", f"{pointer}: at most {RECIPIENTS_MAX} addresses, not {len(texts)}"
        )
    if isinstance(value, str):
        return [mailbox(value, pointer)]
    return [mailbox(text, f"{pointer}/{index}") for index, text in enumerate(texts)]


def mailbox(text: str, pointer: str) -> Mailbox:
    """One address. Raises `ProblemError`; control characters would smuggle headers or commands."""
    one_line(text, pointer)
    if len(text) > _ADDRESS_MAX:
        raise _bad(text, pointer)
    name, address = parseaddr(text)
    local, _, domain = address.rpartition("@")
    plain = text.strip()
    if not _LOCAL.match(local) or (plain != address and not plain.endswith(f"<{address}>")):
        raise _bad(text, pointer)
    try:
        ascii_domain = (
            idna.encode(domain, uts46=True).decode("ascii") if not domain.isascii() else domain.lower()
        )
    except idna.IDNAError as error:
        raise _bad(text, pointer) from error
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", ascii_domain) or ".." in ascii_domain:
        raise _bad(text, pointer)
    return Mailbox(name, local, ascii_domain)


def one_line(text: str, pointer: str) -> str:
    """The text itself. Raises `ProblemError` when it holds a line break or another control character."""
    if _CONTROL.search(text):
        raise ProblemError(
            "invalid_input", f"{pointer}: line breaks and control characters cannot stand in a header"
        )
    return text


def _bad(text: str, pointer: str) -> ProblemError:
    # Show the text whole or not at all: half a secret would not be masked.
    shown = repr(text) if len(text) <= _SHOWN_MAX else "this"
    return ProblemError(
        "invalid_input",
        f"{pointer}: {shown} is not one mail address; write ada@example.com or Ada <ada@example.com>",
    )
