"""Signed links to artifacts: the holder of a link may read one artifact until the link expires. And which
artifacts are kept.
"""

import hashlib
import hmac

from visapi_common.core.keyrings import Keyring


def sign_link(secret: bytes, tenant: str, artifact: str, expires: int) -> str:
    """The signature of a link, in hex. `expires` is in Unix seconds."""
    text = f"artifact\n{tenant}\n{artifact}\n{expires}"
    return hmac.digest(secret, text.encode(), hashlib.sha256).hex()


def link_holds(
    keys: Keyring, tenant: str, artifact: str, expires: int, *, signature: str, now: float
) -> bool:
    """Whether a key of the ring made the signature (compared in constant time) and the link has not
    expired.
    """
    right = any(
        hmac.compare_digest(sign_link(key.secret, tenant, artifact, expires).encode(), signature.encode())
        for key in keys.keys
    )
    return right and now < expires


def is_kept(artifact: str) -> bool:
    """Whether nobody may remove the artifact over the API: exports of the audit, which are the only files of
    this type, prove what was cut from it.
    """
    return artifact.endswith(".ndjson")
