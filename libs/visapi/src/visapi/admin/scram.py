"""SCRAM verifiers of passwords, so that PostgreSQL and its logs never see a password in clear (RFC 5803)."""

import base64
import hashlib
import hmac

_ITERATIONS = 4096
"""PostgreSQL's own default."""


def verifier(password: str, salt: bytes) -> str:
    """What `create role … password` stores instead of the password. Raises `ValueError` for a password that
    clients may spell in several ways.
    """
    if not password.isascii() or not password.isprintable():
        raise ValueError("use printable ASCII characters only, such as the output of `openssl rand -hex 24`")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${_ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
