"""Signed links to artifacts: the holder of a link may read one artifact until the link expires."""

import hashlib
import hmac


def sign_link(secret: bytes, tenant: str, artifact: str, expires: int) -> str:
    """The signature of a link, in hex. `expires` is in Unix seconds."""
    text = f"artifact\n{tenant}\n{artifact}\n{expires}"
    return hmac.digest(secret, text.encode(), hashlib.sha256).hex()


def link_holds(
    secret: bytes, tenant: str, artifact: str, expires: int, *, signature: str, now: float
) -> bool:
    """Whether the signature is valid (compared in constant time) and the link has not expired."""
    right = hmac.compare_digest(sign_link(secret, tenant, artifact, expires).encode(), signature.encode())
    return right and now < expires
