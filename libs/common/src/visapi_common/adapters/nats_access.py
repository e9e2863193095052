"""How a process authenticates to NATS (the password in its URL, a credentials file, a certificate), and which
authority it trusts.
"""

import ssl
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from visapi_common.core.nats_credentials import Credentials
from visapi_common.core.nats_url import Server

Urls = str | Callable[[], Sequence[str]]
"""A URL, or a function that gives at least one: the same servers with the passwords that may be valid now."""


class NatsAccess(msgspec.Struct, frozen=True):
    """Credentials and trust beside the URL. Files are read at each connection, so a renewed certificate is
    used from the next connection on.
    """

    user: str | None = None
    """Names the inbox `_INBOX.<user>` where the URL names no user, as with credentials or a certificate."""
    credentials: Callable[[], Credentials] | None = None
    """Called at each connection; raises `ValueError` when the file is no `.creds` file."""
    ca: str | None = None
    """The file of the trusted authority; without it the authorities of the machine are trusted."""
    certificate: str | None = None
    key: str | None = None

    def needs_tls(self, server: Server) -> bool:
        return server.tls or self.ca is not None or self.certificate is not None

    def context(self) -> ssl.SSLContext:
        """Raises `OSError` for files that cannot be read or do not fit together."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


def connect_options(server: Server, access: NatsAccess) -> dict[str, Any]:
    """The options of one server for nats-py."""
    options: dict[str, Any] = {"servers": [server.url]}
    if access.credentials is not None:
        credentials = access.credentials()
        options["user_jwt_cb"] = credentials.jwt.encode
        options["signature_cb"] = credentials.sign
    elif server.user is not None:
        password = {} if server.password is None else {"password": server.password}
        options |= {"user": server.user, **password} if password else {"token": server.user}
    if access.needs_tls(server):
        options["tls"] = access.context()
    return options
