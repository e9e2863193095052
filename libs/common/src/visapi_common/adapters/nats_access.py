"""How a process proves to NATS who it is: a password, a credentials file, a certificate; and whom it
believes.
"""

import ssl
from typing import Any

import msgspec

from visapi_common.core.nats_credentials import Credentials
from visapi_common.core.nats_url import Server


class NatsAccess(msgspec.Struct, frozen=True):
    """Beside what the URL says. Files are read at each connection, so that a renewed certificate is taken
    up.
    """

    user: str | None = None
    """Names the inbox `_INBOX.<user>` where the URL names no user, as with credentials or a certificate."""
    password: str | None = None
    """In place of that of the URL."""
    credentials: Credentials | None = None
    ca: str | None = None
    """The file of the authority to trust; without it those of the machine."""
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
    """What nats-py is told of one server."""
    options: dict[str, Any] = {"servers": [server.url]}
    credentials = access.credentials
    if credentials is not None:
        options["user_jwt_cb"] = credentials.jwt.encode
        options["signature_cb"] = credentials.sign
    elif server.user is not None:
        password = access.password if access.password is not None else server.password
        options |= {"token": server.user} if password is None else {"user": server.user, "password": password}
    if access.needs_tls(server):
        options["tls"] = access.context()
    return options
