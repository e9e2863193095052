"""A hook's settings as its row holds them. Pure.

Members that this release does not know are ignored: a later release may have written the row.
"""

import msgspec

from visapi_common.contracts.hooks import HmacScheme, HookSettings


class _Scheme(HmacScheme, frozen=True, forbid_unknown_fields=False):
    """As stored."""


class _Settings(HookSettings, frozen=True, forbid_unknown_fields=False):
    """As stored."""

    hmac: _Scheme | None = None


_decode = msgspec.json.Decoder(_Settings).decode
_encode = msgspec.json.Encoder().encode


def read_settings(stored: bytes) -> HookSettings:
    return _decode(stored)


def write_settings(settings: HookSettings) -> bytes:
    return _encode(settings)
