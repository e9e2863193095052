"""Checks the headers that workflows set."""

import re
from collections.abc import Mapping

from visapi_common.contracts.problems import FieldError
from visapi_common.core.errors import ProblemError

HEADERS_MAX = 100
_LOOKED_AT_MAX = 1000
"""Of more headers it is said only that there are too many."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}\Z")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}\Z")
_OURS = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate"}
    | {"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Framing and hop-by-hop headers (RFC 9110 section 7.6.1), which would allow request smuggling."""


def checked_headers(headers: Mapping[str, object], *, reserved: str | None = None) -> list[tuple[str, str]]:
    """The headers as pairs. Raises `ProblemError` naming every header that cannot be sent.

    A header without a value (null) is left out. `reserved` is a prefix of names that the channel itself sets.
    """
    if len(headers) > _LOOKED_AT_MAX:
        detail = f"at most {HEADERS_MAX} headers can be sent"
        raise ProblemError("invalid_headers", f"/headers: {detail}", errors=[FieldError("/headers", detail)])
    errors: list[FieldError] = []
    pairs: list[tuple[str, str]] = []
    for name, value in headers.items():
        if value is None:
            continue
        pointer = "/headers/" + name.replace("~", "~0").replace("/", "~1")
        text = value if isinstance(value, str) else _shown(value)
        if not _NAME.match(name):
            errors.append(FieldError(pointer, "not a header name (RFC 9110 section 5.1)"))
        elif name.lower() in _OURS or (reserved and name.lower().startswith(reserved)):
            errors.append(FieldError(pointer, "this header is set by VisAPI; leave it out"))
        elif text is None or not _VALUE.match(text):
            errors.append(FieldError(pointer, "not a header value: one line of Latin-1 text is needed"))
        else:
            pairs.append((name, text))
    if len(headers) > HEADERS_MAX:
        errors.append(FieldError("/headers", f"at most {HEADERS_MAX} headers can be sent"))
    if errors:
        raise ProblemError("invalid_headers", f"{errors[0].pointer}: {errors[0].detail}", errors=errors)
    return pairs


def _shown(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None
