"""Arbitrary bytes as readable text without terminal control sequences. Pure."""

import codecs
from typing import Final

_READABLE: Final = frozenset("\n\t")
_HIDDEN: Final = (
    *range(0x20),
    *range(0x7F, 0xA0),
    0xAD,
    0x61C,
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
)
"""Control characters, and characters that invisibly change the direction or position of other text."""
_ESCAPES: Final = {
    code: chr(code).encode("unicode_escape").decode() for code in _HIDDEN if chr(code) not in _READABLE
}
_decoder = codecs.getincrementaldecoder("utf-8")


def as_text(start: bytes, *, cut: bool) -> str:
    r"""`start` as UTF-8; invalid and invisible characters become escapes such as `\xff`.

    `cut` says that more bytes follow: an incomplete last character is left out.
    """
    return _decoder("backslashreplace").decode(start, final=not cut).translate(_ESCAPES)
