"""One outbound HTTP exchange as data: channels build and read it, and one adapter sends it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

RESPONSE_MAX_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A TLS client certificate in PEM: the certificate chain and the private key."""

    chain: str = field(repr=False)
    key: str = field(repr=False)
    password: str | None = field(default=None, repr=False)
    """The password of an encrypted key."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A complete request. `body=None` sends no body; a `certificate` is shown only to its origin."""

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    timeout_s: float = 30.0
    redirects: int = 0
    fresh_connection: bool = False
    body_max_bytes: int = RESPONSE_MAX_BYTES
    certificate: ClientCertificate | None = None
    repeatable: bool = False
    """Sending the request twice is harmless, so it is repeated when a kept-alive connection was closed."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A response, decoded from known content codings. `cut` says why a body is incomplete."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    url: str
    cut: str | None = None
    coding: str | None = None
    """The content codings that remain on the body, because one of them is unknown."""

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)
