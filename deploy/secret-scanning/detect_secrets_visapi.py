# ruff: noqa: INP001 (the file stands alone, for whoever copies it)
"""A plugin of detect-secrets for API keys of VisAPI.

    detect-secrets scan --plugin deploy/secret-scanning/detect_secrets_visapi.py

It stands alone: copy the file. A text is a key only where its checksum is right, so nothing else is reported.
"""

import re
import zlib
from collections.abc import Generator

from detect_secrets.plugins.base import (  # pyright: ignore[reportMissingImports] (installed by whoever scans)
    RegexBasedDetector,
)

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM_LENGTH = 6
PATTERN = re.compile(r"\bvisapi_(?:live|test|admin)_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}\b")


class VisapiKeyDetector(RegexBasedDetector):
    """API keys of VisAPI."""

    secret_type = "VisAPI API key"  # noqa: S105 (the name of a kind of secret)
    denylist = (PATTERN,)

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        for found in PATTERN.findall(string):
            if checksum_is_right(found):
                yield found


def checksum_is_right(key: str) -> bool:
    """Whether the last six characters are the CRC-32 of those before, in base 62."""
    number = zlib.crc32(key[:-_CHECKSUM_LENGTH].encode())
    digits = ""
    for _ in range(_CHECKSUM_LENGTH):
        number, rest = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[rest] + digits
    return key.endswith(digits)
