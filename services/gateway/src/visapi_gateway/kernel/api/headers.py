"""Strict parsing of the request headers that the API uses."""

import re

from visapi_common.core.errors import ProblemError

WAIT_LIMIT_S = 60.0

_BARE_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_QUOTED_KEY = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')
_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,6})\"?", re.IGNORECASE)


def idempotency_key(value: str | None) -> str | None:
    """The key of an `Idempotency-Key` header, given bare or as a quoted string (RFC 8941)."""
    if value is None:
        return None
    text = value.strip()
    quoted = _QUOTED_KEY.fullmatch(text)
    if quoted:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if _BARE_KEY.fullmatch(text) and '"' not in text:
        return text
    detail = "Idempotency-Key must be 1 to 255 printable ASCII characters, bare or in double quotes"
    raise ProblemError("invalid_header", detail, status=400)


def preferred_wait_s(value: str | None) -> float | None:
    """Seconds of `Prefer: wait=N` (RFC 7240), at most `WAIT_LIMIT_S`; None without that preference."""
    if value is None:
        return None
    for preference in value.split(","):
        match = _WAIT.fullmatch(preference.partition(";")[0].strip())
        if match:
            return min(float(match[1]), WAIT_LIMIT_S)
    return None


def accepts(accept: str | None, offered: tuple[str, ...]) -> str | None:
    """The best of the `offered` media types for an `Accept` header (RFC 9110, 12.5.1), else None."""
    if accept is None or accept.strip() in ("", "*/*"):
        return offered[0]
    ranges = [_media_range(part) for part in accept.split(",") if part.strip()]
    best, best_quality = None, 0.0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > best_quality:
            best, best_quality = media_type, quality
    return best


def _media_range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, min(1.0, max(0.0, float(parameter[2:])))
            except ValueError:
                return name, 0.0
    return name, 1.0


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """The quality of the most specific matching range."""
    kind = media_type.partition("/")[0] + "/*"
    for wanted in (media_type, kind, "*/*"):
        for name, quality in ranges:
            if name == wanted:
                return quality
    return 0.0


def media_type_of(content_type: str | None) -> str | None:
    """The media type without parameters. Raises `ProblemError` for a charset other than UTF-8."""
    if content_type is None:
        return None
    name, *parameters = (part.strip().lower() for part in content_type.split(";"))
    for parameter in parameters:
        if parameter.startswith("charset=") and parameter[8:].strip('"') not in ("utf-8", "utf8"):
            detail = f"the body must be UTF-8, not {parameter[8:40]!r}; change charset in Content-Type"
            raise ProblemError("unsupported_media_type", detail, status=415)
    return name or None
