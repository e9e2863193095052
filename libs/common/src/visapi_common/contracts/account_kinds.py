r"""The kinds of accounts at providers: the settings, which anybody may read, and the credentials of each.

The gateway checks and seals what a key writes; the channel that declares a kind reads it. Stored settings and
credentials that a later release wrote may have members that this one does not know. Patterns end with `\Z`,
because `$` also matches before a newline at the end; no JSON Schema shows them.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec

Kind = Literal["smtp", "slack"]
SENDERS_MAX = 50
_LOCAL = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"

Sender = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^(?:{_LOCAL}@{_DOMAIN}|[^<>@\x00-\x1f\x7f]{{0,200}}<{_LOCAL}@{_DOMAIN}>)\Z", max_length=600
    ),
]
"""`ada@example.com` or `Ada Lovelace <ada@example.com>`."""
SenderPattern = Annotated[str, msgspec.Meta(pattern=rf"^(?:\*|{_LOCAL})@{_DOMAIN}\Z", max_length=320)]
"""An address; `*@example.com` is every address of the domain."""
Line = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]*\Z", min_length=1, max_length=320)]
Password = Annotated[str, msgspec.Meta(pattern=r"^[^\x00\r\n]*\Z", min_length=8, max_length=1024)]
"""At least 8 characters, so that it can be masked in answers."""
SlackToken = Annotated[str, msgspec.Meta(pattern=r"^xox[a-z.]{1,12}-[A-Za-z0-9-]{8,1000}\Z", max_length=1020)]
Tls = Literal["starttls", "implicit", "off"]


class SmtpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mail relay. `from` is the sender of mails that name none; `senders` are the addresses that mails may
    name. `tls`: `implicit` encrypts from the first byte; `off` sends the password in the clear.
    """

    host: Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
    from_: Sender = msgspec.field(name="from")
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    tls: Tls = "starttls"
    senders: Annotated[list[SenderPattern], msgspec.Meta(max_length=SENDERS_MAX)] = []


class SmtpCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How VisAPI signs in at the relay."""

    username: Line
    password: Password


class SlackSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A workspace needs none."""


class SlackCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a bot (`xoxb-…`) with the scope `chat:write`."""

    token: SlackToken


class KindShape(NamedTuple):
    """What a kind takes. `ends_shown`: credentials that are random and long, whose last four characters
    answers may show. `plain`: credentials that name their owner, and are masked nowhere.
    """

    settings: type[msgspec.Struct]
    credentials: type[msgspec.Struct]
    ends_shown: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()


KINDS: Mapping[Kind, KindShape] = {
    "smtp": KindShape(SmtpSettings, SmtpCredentials, plain=frozenset({"username"})),
    "slack": KindShape(SlackSettings, SlackCredentials, ends_shown=frozenset({"token"})),
}
