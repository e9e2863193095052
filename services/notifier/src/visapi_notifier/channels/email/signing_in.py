"""Signs in at an SMTP relay, and ends at the first answer that refuses the password.

Each failed sign-in counts at the provider, which may ban the address that VisAPI shares among tenants.
"""

from typing import Final

import aiosmtplib

from visapi_common.core.errors import TransientFault

_IN_THE_CLEAR: Final = ("cram-md5", "plain", "login")
_ENCRYPTED: Final = ("plain", "login", "cram-md5")
_CHALLENGED: Final = "cram-md5"
"""Relays that keep hashes of passwords refuse this method with 535, although they offer it: its refusal says
nothing about the password while another method is offered.
"""
_ANOTHER_METHOD: Final = frozenset({500, 501, 502, 504, 534, 538})
"""Answers that concern the method and not the password (RFC 4954 section 6)."""
_REFUSED: Final = 535
REASONS: Final = {
    504: "supports none of the methods to sign in that VisAPI supports",
    530: "demands encryption or another sign-in before this one",
    534: "demands a stronger method to sign in, or a password made for applications",
    538: "demands encryption before a sign-in",
}
"""What a relay means that answers AUTH with such a code."""


def is_refusal(code: int, message: str) -> bool:
    """Whether the answer says that the relay knows no such user and password (RFC 4954)."""
    return code == _REFUSED or message.startswith("5.7.8")


async def sign_in(client: aiosmtplib.SMTP, user: str, password: str, *, encrypted: bool) -> None:
    """AUTH by one method; by the next one only where the relay does not take the method, or refuses CRAM-MD5.

    Raises `SMTPAuthenticationError` with the relay's last answer, and `TransientFault` where the relay offers
    no method that VisAPI supports.
    """
    methods = {"cram-md5": client.auth_crammd5, "plain": client.auth_plain, "login": client.auth_login}
    failed: aiosmtplib.SMTPAuthenticationError | None = None
    for name in _ENCRYPTED if encrypted else _IN_THE_CLEAR:
        if name not in client.server_auth_methods:
            continue
        try:
            await methods[name](user, password)
        except aiosmtplib.SMTPAuthenticationError as error:
            failed = error
            if name == _CHALLENGED:
                continue
            if is_refusal(error.code, error.message) or error.code not in _ANOTHER_METHOD:
                raise
        else:
            return
    raise failed or TransientFault("the mail relay offers no method to sign in that VisAPI supports")
