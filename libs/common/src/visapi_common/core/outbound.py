"""One outbound HTTP exchange as data: what channels build and read, and one adapter sends."""

from collections.abc import Sequence
from dataclasses import dataclass, field

RESPONSE_MAX_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Who we are in TLS, in PEM: the certificate with those that vouch for it, and its private key."""

    chain: str = field(repr=False)
    key: str = field(repr=False)
    password: str | None = field(default=None, repr=False)
    """Of an encrypted key."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A request, whole. `body` of `None` sends none; a `certificate` is shown to its origin only."""

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
    """Sending it twice does no harm: once more when a kept connection turns out to be closed."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """An answer, without the content codings that are known. `cut` says why a body is incomplete."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    url: str
    cut: str | None = None
    coding: str | None = None
    """The content codings that were left on the body, because one of them is unknown."""

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)
