"""Signatures as Standard Webhooks 1.0 specifies them. Pure."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from visapi_common.core.errors import ProblemError

PREFIX = "whsec_"
_SECRET_MAX = 1000
_ADVICE = "/secret: a webhook secret is whsec_ and the base64 of 24 to 64 random bytes"


def signature(secrets: Sequence[str], identifier: str, timestamp_s: int, body: bytes) -> str:
    """The `webhook-signature` header: one `v1` (HMAC-SHA-256) for each secret, for rotation."""
    signed = b".".join((identifier.encode(), str(timestamp_s).encode(), body))
    digests = (hmac.new(key_of(secret), signed, hashlib.sha256).digest() for secret in secrets)
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in digests)


def key_of(secret: str) -> bytes:
    """The bytes of a `whsec_…` secret. Raises `ProblemError` when it is not base64."""
    if len(secret) > _SECRET_MAX:
        raise ProblemError("invalid_secret", _ADVICE)
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProblemError("invalid_secret", _ADVICE) from error
    if not key:
        raise ProblemError("invalid_secret", _ADVICE)
    return key
