"""TLS of outbound connections: trusted authorities and client certificates."""

import os
import ssl
import tempfile
from collections.abc import Generator
from contextlib import contextmanager

import certifi

from visapi_common.core.errors import PermanentFault
from visapi_common.core.outbound import ClientCertificate


def tls_context(certificate: ClientCertificate | None = None) -> ssl.SSLContext:
    """Trusts the machine's authorities and certifi's. Raises `PermanentFault` for an unusable certificate."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if certificate is not None:
        _load(context, certificate)
    return context


def _load(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    pem = f"{certificate.key.strip()}\n{certificate.chain.strip()}\n".encode()
    # A callback that returns a password: without one OpenSSL asks on the terminal.
    password = certificate.password or ""
    try:
        with _as_file(pem) as path:
            context.load_cert_chain(path, password=lambda: password)
    except (ssl.SSLError, ValueError) as unusable:
        detail = getattr(unusable, "reason", None) or "it is not PEM"
        raise PermanentFault(f"the client certificate or its key cannot be used: {detail}") from None


@contextmanager
def _as_file(content: bytes) -> Generator[str]:
    """The `ssl` module reads keys only from files; use an in-memory file where the system has one."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("visapi-certificate", os.MFD_CLOEXEC), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
