"""Ranges of bytes (RFC 9110, 14): one range of a request, or the whole. Pure."""

import re

from visapi_common.core.errors import ProblemError

Span = tuple[int, int]
"""The first byte of a part, and the one after its last."""
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


def wanted_range(header: str | None, if_range: str | None, tag: str, size: int) -> Span | None:
    """The part that a request wants; None for the whole.

    A range that cannot be read, several ranges, and a range of another state than `tag` mean the whole.
    Raises `ProblemError` 416 for a range that begins after the end.
    """
    if header is None or (if_range is not None and if_range.strip() != tag):
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < begin:
            return None
    if begin >= end:
        detail = f"the file has {size} bytes; ask for a range within them"
        raise ProblemError(
            "range_not_satisfiable", detail, status=416, headers={"Content-Range": f"bytes */{size}"}
        )
    return begin, end


def content_range(part: Span, size: int) -> bytes:
    """The `Content-Range` of a part."""
    return b"bytes %d-%d/%d" % (part[0], part[1] - 1, size)
