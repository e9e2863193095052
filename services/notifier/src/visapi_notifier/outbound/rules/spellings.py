"""The spellings of a secret, and the search for them in a text. Pure.

A text is searched in several views of itself: as it stands, and with the escapes of JSON, URLs, HTML and
quoted-printable taken away, one kind after another. Views and spellings are *squeezed*: one case, without
spaces, line breaks, backslashes and U+0000 (which UTF-16 read as bytes has between its letters). So one
plain search for each spelling finds the secret in any mixture of escapes, and costs time that grows with
the length of the text only.
"""

import base64
import binascii
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from html.entities import html5
from itertools import islice
from urllib.parse import quote, quote_plus, unquote, urlsplit

import idna
import msgspec

LONG = 8
"""Characters from which on a value can be told from ordinary text."""
_NEEDLE_MIN = 6
_ROUNDS = 3
_PARTS_MAX = 100
_LINE_MIN = 16
"""Characters of a line of a text of many lines (a key in PEM) that is searched for by itself."""

_SQUEEZED = re.compile(r"[\s\x00\\]+")
_JSON_ESCAPE = re.compile(r"(?:\\{1,4}|%)u([0-9a-fA-F]{4})|\\{1,4}(?:x([0-9a-fA-F]{2})|[nrtbf])")
Encode = Callable[[bytes], bytes]
_HTML_ESCAPE = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z]{2,24}));?")
_NAMED = {name.rstrip(";"): text for name, text in html5.items()}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_QUOTED = re.compile(r"=(?:[0-9A-Fa-f]{2}|\r?\n)|\?=")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ENCODED_WORD_JOINT = re.compile(r"\?=\s*=\?[\w-]{1,40}\?[qb]\?", re.IGNORECASE)


class Spelling(msgspec.Struct, frozen=True):
    """One form of a secret. `needle` is squeezed; `coded` is of an alphabet of its own (base64, hex)."""

    needle: str
    source: str
    coded: bool = False


def squeezed(text: str) -> str:
    """The text in one case, without what escapes and line folding add."""
    return _SQUEEZED.sub("", text).casefold()


def views(text: str) -> Iterator[str]:
    """The squeezed views of a text: as it is, then with more and more escapes taken away.

    Quoted-printable is taken off before or after the others, never between them: any `=41` looks like it.
    """
    for plain in (text, *_plainer(text)):
        yield squeezed(plain)
        if "=?" in plain:
            yield squeezed(_without_encoded_words(plain))
    if _QUOTED.search(text):
        unquoted = _without_quoted_printable(text)
        yield squeezed(unquoted)
        yield from map(squeezed, _plainer(unquoted))


def _plainer(text: str) -> Iterator[str]:
    first = text
    for _ in range(_ROUNDS):
        before = text
        for decode in (_without_json, _without_percent, _without_html):
            decoded = decode(text)
            if decoded != text:
                text = decoded
                yield text
        if text == before:
            break
    if text != first and _QUOTED.search(text):
        yield _without_quoted_printable(text)


def _without_encoded_words(text: str) -> str:
    """RFC 2047: texts of mail headers."""
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, ValueError, LookupError):
        return text


def _without_json(text: str) -> str:
    """Also JavaScript's `escape` (`%u0041`)."""
    if "\\" not in text and "%u" not in text:
        return text
    plain = _JSON_ESCAPE.sub(_character, text)
    if _SURROGATE.search(plain) is None:
        return plain
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _character(escape: "re.Match[str]") -> str:
    digits = escape[1] or escape[2]
    return chr(int(digits, 16)) if digits else _CONTROLS[escape[0][-1]]


def _without_percent(text: str) -> str:
    return unquote(text, errors="replace") if "%" in text else text


def _without_html(text: str) -> str:
    return _HTML_ESCAPE.sub(_named_character, text) if "&" in text else text


def _named_character(escape: "re.Match[str]") -> str:
    decimal, hexadecimal, name = escape.groups()
    if name:
        return _NAMED.get(name, escape[0])
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if code < 0x110000 else escape[0]


def _without_quoted_printable(text: str) -> str:
    joined = _ENCODED_WORD_JOINT.sub("", text) if "?=" in text else text
    plain = binascii.a2b_qp(joined.encode("utf-8", "surrogatepass"))
    return plain.decode("utf-8", "replace")


def spellings_of(value: str) -> list[Spelling]:
    """Every form that is searched for, the most usual first; none of a value that is too short.

    A part of a value (a line of a key) is searched for as it stands and escaped, not coded.
    """
    if len(value) < LONG:
        return []
    found: dict[str, Spelling] = {}
    for part in islice(_parts(value), _PARTS_MAX):
        for source in _plain_forms(part):
            for needle in (squeezed(source), *views(source)):
                _add(found, Spelling(needle, source))
    for source in _coded_forms(value):
        _add(found, Spelling(squeezed(source), source, coded=True))
    return list(found.values())


def _add(found: dict[str, Spelling], spelling: Spelling) -> None:
    if len(spelling.needle) >= _NEEDLE_MIN:
        found.setdefault(spelling.needle, spelling)


def _parts(value: str) -> Iterator[str]:
    """The value, and what of it may come back alone: lines of a key, the path of a secret URL."""
    yield value
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _LINE_MIN and not line.startswith("-----"))
    if value.startswith("whsec_"):
        yield value.removeprefix("whsec_")
    if value.startswith(("http://", "https://")):
        yield from (part for part in _url_parts(value) if len(part) >= LONG and part != value)


def _url_parts(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    yield parts._replace(query="", fragment="").geturl()
    yield parts.path
    yield parts.path + ("?" + parts.query if parts.query else "")
    yield parts.query
    yield from (text for text in (parts.username, parts.password) if text)


def _plain_forms(value: str) -> Iterator[str]:
    yield value
    yield value.replace(" ", "+")
    yield value.replace(" ", "_")
    yield value[::-1]
    yield from _number_forms(value)
    if not value.isascii():
        yield from _foreign_forms(value)


def _number_forms(value: str) -> Iterator[str]:
    """How JSON writes the number that the text may be read as."""
    try:
        number = float(value)
    except ValueError:
        return
    if math.isfinite(number):
        yield from (repr(number), f"{number:.0f}", f"{number:e}")


def _foreign_forms(value: str) -> Iterator[str]:
    """Of a text beyond ASCII: normal forms, punycode, wrong character sets, characters left out."""
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        yield unicodedata.normalize(form, value)
    yield from (value.upper(), value.lower())
    for charset in ("utf-16-le", "utf-16-be"):
        yield value.encode(charset, "surrogatepass").decode("latin-1")
    for charset in ("latin-1", "cp1252"):
        yield value.encode().decode(charset, "replace")
        yield quote(value.encode(charset, "replace"))
    for lossy in ("replace", "ignore"):
        yield value.encode("ascii", lossy).decode()
    yield re.sub(r"[^\x00-\x7f]", "\ufffd", value)
    yield re.sub(r"[^\x00-\x7f]", lambda one: "\ufffd" * len(one[0].encode()), value)
    yield value.lower().encode("punycode").decode("ascii", "replace")
    try:
        yield idna.encode(value, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return


def _coded_forms(value: str) -> Iterator[str]:
    utf8 = value.encode("utf-8", "surrogatepass")
    escaped = msgspec.json.encode(value.encode("utf-8", "replace").decode())[1:-1]
    wide = [value.encode("utf-16-le", "surrogatepass"), value.encode("utf-16-be", "surrogatepass")]
    narrow = value.encode("latin-1", "replace")
    quoted = [quote(value, safe="", errors="replace").encode(), quote_plus(value, errors="replace").encode()]
    for data in dict.fromkeys([utf8, narrow, escaped, *quoted, *wide]):
        yield from _base64_forms(data)
    for data in dict.fromkeys([utf8, narrow, *wide]):
        pairs = [f"{byte:02x}" for byte in data]
        yield from (joint.join(pairs) for joint in ("", ":", "-", ",", "x", ",0x", ":0x"))
        yield ",".join(str(byte) for byte in data)
    yield from _aligned(base64.b32encode, utf8, bits=5)


def _base64_forms(data: bytes) -> Iterator[str]:
    for text in _aligned(base64.b64encode, data, bits=6):
        yield text
        if "+" in text or "/" in text:
            yield text.replace("+", "-").replace("/", "_")


def _aligned(encode: Encode, data: bytes, *, bits: int) -> Iterator[str]:
    """What the data is within any longer text: the characters that no neighbour has a part in."""
    for before in range(5 if bits == 5 else 3):
        text = encode(b"\0" * before + data).decode()
        yield text[-(-8 * before // bits) : 8 * (before + len(data)) // bits]


def texts_in(value: object) -> Iterable[str]:
    """Every text and number within a value, as text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():  # pyright: ignore[reportUnknownVariableType]
            yield from texts_in(inner)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from texts_in(inner)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield msgspec.json.encode(value).decode()
