"""How a receiver may spell a secret when it repeats it."""

import base64
import html
import json
import quopri
from collections.abc import Callable
from email.header import Header
from urllib.parse import quote, quote_plus


def every(text: str, form: str) -> str:
    return "".join(form.format(ord(one)) for one in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "verbatim": str,
    "upper": str.upper,
    "lower": str.lower,
    "percent": lambda text: quote(text, safe=""),
    "percent, lower case": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent, all": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "percent, twice": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "json": json.dumps,
    "json, all": lambda text: every(text, "\\u{:04x}"),
    "json, upper": lambda text: every(text, "\\u{:04X}"),
    "json in json": lambda text: json.dumps(json.dumps({"a": text})),
    "slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "repr": ascii,
    "html": html.escape,
    "html, numbers": lambda text: every(text, "&#{};"),
    "html, hexadecimal": lambda text: every(text, "&#x{:x};"),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, one in": lambda text: base64.b64encode(b"x" + text.encode() + b"yy").decode(),
    "base64, two in": lambda text: base64.b64encode(b"xy" + text.encode() + b"zzz").decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(b"ada:" + text.encode()).decode().rstrip("="),
    "basic": lambda text: "Basic " + base64.b64encode(b"ada:" + text.encode()).decode(),
    "base64, lines": lambda text: base64.encodebytes(text.encode() * 5).decode(),
    "base64, utf-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "hex, upper": lambda text: text.encode().hex().upper(),
    "hex, colons": lambda text: text.encode().hex(":"),
    "hex, spaces": lambda text: text.encode().hex(" "),
    "bytes": lambda text: ", ".join(str(byte) for byte in text.encode()),
    "quoted-printable": lambda text: quopri.encodestring(text.encode() * 3).decode(),
    "header": lambda text: Header(text, "utf-8", maxlinelen=40).encode(),
    "folded": lambda text: text[:5] + "\r\n " + text[5:],
    "utf-16": lambda text: text.encode("utf-16-le").decode("latin-1"),
    "reversed": lambda text: text[::-1],
}
