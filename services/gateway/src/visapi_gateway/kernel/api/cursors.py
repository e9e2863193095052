"""Opaque cursors: the position in a list, bound to the list and its filters, and signed."""

import base64
import binascii
import hashlib
import hmac

from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Keyring

_MAC_BYTES = 8


def seal_cursor(secret: bytes, listing: str, position: str) -> str:
    """A cursor for `listing` (path, tenant and filters) that continues after `position`."""
    body = position.encode()
    return base64.urlsafe_b64encode(_mac(secret, listing, body) + body).rstrip(b"=").decode()


def open_cursor(keys: Keyring, listing: str, cursor: str) -> str:
    """The position in a cursor. Raises `ProblemError` when the cursor belongs to another listing."""
    try:
        raw = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if any(hmac.compare_digest(mac, _mac(key.secret, listing, body)) for key in keys.keys):
            return body.decode()
    except (binascii.Error, UnicodeError, ValueError):
        pass
    detail = "the cursor does not belong to this list and these filters; start again without it"
    raise ProblemError("invalid_cursor", detail, status=400)


def _mac(secret: bytes, listing: str, body: bytes) -> bytes:
    key = hmac.digest(secret, b"cursor", hashlib.sha256)
    return hmac.digest(key, listing.encode() + b"\0" + body, hashlib.sha256)[:_MAC_BYTES]
