"""The body of a verified request as data: JSON, a form, text, or bytes. Pure.

Nothing here runs before the signature was found right.
"""

import re
from base64 import b64encode
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec

from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.json_input import check_json

FORM_FIELDS_MAX = 1000
PAYLOAD = "payload"
"""The field of a form that holds JSON, as GitHub and Slack send it."""
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"
_MEDIA_TYPE_MAX = 255
_encode = msgspec.json.Encoder().encode

BodyKind = Literal["json", "form", "text", "bytes"]


class Content(msgspec.Struct, frozen=True):
    """The data of an event: any JSON value, or bytes; and its media type."""

    media_type: str
    data: Any = None
    raw: bytes | None = None

    def members(self) -> dict[str, Any]:
        """The members of a CloudEvent that carry it."""
        carried = {"data": self.data} if self.raw is None else {"data_base64": b64encode(self.raw).decode()}
        return {"datacontenttype": self.media_type, **carried}


def kind_of(content_type: str | None) -> BodyKind:
    """How the body is read. Without a Content-Type nothing says that it is more than bytes."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if _JSON.fullmatch(media_type):
        return "json"
    if media_type == _FORM:
        return "form"
    return "text" if media_type.startswith("text/") else "bytes"


def plain(content_type: str | None, body: bytes) -> Content:
    """Text and bytes. What says to be text but is not UTF-8 stays bytes."""
    media_type = content_type or "application/octet-stream"
    if len(media_type) > _MEDIA_TYPE_MAX or not (media_type.isascii() and media_type.isprintable()):
        media_type = "application/octet-stream"
    if kind_of(content_type) == "text":
        try:
            return Content(media_type, data=body.decode())
        except UnicodeDecodeError:
            pass
    return Content(media_type, raw=body)


def find_form(body: bytes) -> bytes:
    """A job: takes a form and returns `+` and its fields as JSON, or `-` and its mistake. A field `payload`
    with JSON stands for the whole form; a field that is given several times becomes a list.
    """
    try:
        return b"+" + _form(body)
    except ProblemError as problem:
        return b"-" + problem.detail.encode()
    except ValueError as wrong:
        return b"-" + f"the form cannot be read: {wrong}"[:300].encode("utf-8", "replace")


def _form(body: bytes) -> bytes:
    pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS_MAX)
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise ValueError("it holds the character U+0000")
        fields.setdefault(name, []).append(value)
    payload = fields.get(PAYLOAD, [])
    if len(payload) == 1 and payload[0].lstrip().startswith("{"):
        raw = payload[0].encode()
        check_json(raw)
        return raw
    return _encode({name: values[0] if len(values) == 1 else values for name, values in fields.items()})
