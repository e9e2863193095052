"""Turns an HTTP response body into data: JSON, text, or base64 of other bytes. Pure."""

import base64
import codecs
import re
from email.message import Message
from typing import Any

import msgspec

from visapi_common.contracts.foreign import VALUE_DEPTH_MAX, Reader, Unreadable
from visapi_common.core.outbound import Inbound
from visapi_notifier.outbound.rules.masking import Mask

SHOWN_BYTES = 60 * 1024
"""Of an error's body, as JSON: with the rest of the error it fits into 64 KiB."""

_CHARSETS = re.compile(
    r"utf-?(8|16|32)(-?(le|be))?|us-ascii|ascii|latin-?1|l1|iso-?8859-?\d{1,2}|iso_8859-\d{1,2}(:\d{4})?|windows-125\d"
    r"|cp125\d|x-cp125\d|cp437|cp8[56]\d|ibm8[56]\d|koi8-?[ru]|macintosh|mac-roman|gb2312|gbk|gb18030|big5(-hkscs)?"
    r"|euc-(jp|kr)|shift[-_]jis|sjis|iso-2022-jp|ks_c_5601-1987|tis-620"
)
"""Python has more codecs, some of which are not character sets or are slow."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_TEXT = re.compile(
    r"text/.*|.*\+(xml|yaml)|application/(xml|yaml|x-yaml|toml|javascript|ecmascript|graphql|sql|x-ndjson|x-www-form-urlencoded)"
)
_SURROGATE = re.compile(
    r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_read = Reader(Any, depth_max=VALUE_DEPTH_MAX, bytes_max=64 * 1024 * 1024, nul=True)


class Unusable(Exception):
    """The body is not what its media type says; the text says why."""


def content_of(inbound: Inbound, mask: Mask) -> Any:
    """The body, deserialised where its type says so. Raises `Unusable` for broken JSON."""
    if not inbound.body:
        return None
    if inbound.coding is not None:
        return base64.b64encode(inbound.body).decode()
    media_type, charset = media_type_of(inbound)
    if is_json(media_type):
        return _json(inbound.body, charset)
    text = _text(inbound.body, charset, strict=not _TEXT.fullmatch(media_type))
    return base64.b64encode(mask.hide_bytes(inbound.body)).decode() if text is None else text


def shown_body(inbound: Inbound, mask: Mask) -> dict[str, Any]:
    """A body within an error: its value where that is small enough, else the start of its text."""
    try:
        value = mask.hide(content_of(inbound, mask)) if inbound.cut is None else None
    except Unusable:
        value = None
    if value is not None and len(msgspec.json.encode(value)) <= SHOWN_BYTES:
        return {"body": value}
    _, charset = media_type_of(inbound)
    text = mask.hide(_text(inbound.body, charset, strict=False) or "")
    if not text or len(msgspec.json.encode(text)) <= SHOWN_BYTES:
        return {"body": text}
    shown = text[:SHOWN_BYTES]
    while len(msgspec.json.encode(shown)) > SHOWN_BYTES:
        shown = shown[: len(shown) // 2]
    return {"body": shown, "truncated": True}


def media_type_of(inbound: Inbound) -> tuple[str, str | None]:
    """The media type in lower case, and the character set that it names, where that is one."""
    value = inbound.header("content-type") or ""
    media_type = value.split(";", 1)[0].strip().lower()
    holder = Message()
    holder["content-type"] = re.sub(r"[^ -~]", " ", value[:1000])
    given = holder.get_param("charset")
    name = given.strip(" '").lower() if isinstance(given, str) else ""
    return media_type, name if _CHARSETS.fullmatch(name) and _known(name) else None


def is_json(media_type: str) -> bool:
    return media_type in ("application/json", "text/json", "application/x-json") or media_type.endswith(
        "+json"
    )


def _known(charset: str) -> bool:
    try:
        codecs.lookup(charset)
    except LookupError:
        return False
    return True


def _json(body: bytes, charset: str | None) -> Any:
    mark = next(((mark, name) for mark, name in _MARKS if body.startswith(mark)), None)
    if mark is not None:
        body, charset = body[len(mark[0]) :], mark[1]
    if charset not in (None, "utf-8", "utf8"):
        try:
            body = body.decode(charset).encode()
        except UnicodeError as error:
            raise Unusable(f"the body is not in the character set {charset} that it names") from error
    value = _read(body)
    if isinstance(value, Unreadable) and b"\\u" in body and body.isascii() | _is_utf8(body):
        value = _read(_SURROGATE.sub(_replaced_surrogate, body.decode()).encode())
    if isinstance(value, Unreadable):
        raise Unusable(f"the body is no JSON: {value.reason}")
    return value


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _replaced_surrogate(escape: "re.Match[str]") -> str:
    """Half of a pair stands for no character; a whole pair stays."""
    return escape[0] if escape[2] else f"{escape[3]}\\ufffd"


def _text(body: bytes, charset: str | None, *, strict: bool) -> str | None:
    """The body as text; None where it is `strict` and the body is none."""
    for mark, name in _MARKS[:1] if strict else _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    if charset is not None:
        return body.decode(charset, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None if strict else body.decode("cp1252", "replace")
