"""Masks secrets in logs, errors, dead letters and traces.

Two rules: a field with a secret name is masked as a whole, and in every text the known formats of secrets are
masked. Masking keeps what identifies the owner (a key's id, a URL's host), and never a credential.
"""

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
DEPTH_LIMIT = 16
"""Deeper values are masked as a whole; no ordinary log record is that deep."""

_SECRET_NAME = re.compile(
    r"(?:^|[-_.])(?:passwords?|passwd|secrets?|tokens?|authorization|cookies?|set-cookie|api-?_?keys?"
    r"|apikey|pepper|private-?_?key|credentials?|signature|dsn)$",
    re.IGNORECASE,
)

_MASKED_PARAMETER = (
    r"signature|sig|token|access_token|refresh_token|id_token|api_key|apikey|key|secret|password|code"
    r"|x-amz-signature|x-amz-credential|x-amz-security-token|awsaccesskeyid|x-goog-signature|sv|se|skoid"
)

_SHAPES = re.compile(
    "|".join(
        (
            r"(?P<visapi>visapi_(?:live|test|admin)_[A-Za-z0-9]+_)[A-Za-z0-9]+",
            r"(?P<scheme>\b(?:bearer|basic|digest)\s+)[A-Za-z0-9\-._~+/]{6,}=*",
            r"(?P<userinfo>://[^\s/:@'\"]*:)[^\s/@'\"]+(?=@)",
            rf"(?P<query>[?&;](?:{_MASKED_PARAMETER})=)[^&\s\"'<>]+",
            r"(?P<slack_url>hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9]+/)[A-Za-z0-9/]+",
            r"(?P<approval>/approve/[a-z0-9-]{1,63}\.[0-9a-f]{32}\.)[A-Za-z0-9_-]+",
            r"(?P<slack>\bxox[a-z]-)[A-Za-z0-9-]{8,}",
            r"(?P<webhook>\bwhsec_)[A-Za-z0-9+/]{8,}=*",
            r"(?P<jwt>\beyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
            r"(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
        )
    ),
    re.IGNORECASE,
)

_PERSONAL = re.compile(
    r"(?P<mail>\b[A-Za-z0-9])[A-Za-z0-9._%+-]*(?=@[A-Za-z0-9.-]+\.[A-Za-z]{2,})"
    r"|(?P<phone>\+\d{2})\d{5,11}(?=\d{2}\b)"
)


def redact_text(text: str, *, personal: bool = False) -> str:
    """Mask the known formats of secrets in a text; with `personal` also e-mail addresses and phone
    numbers.
    """
    masked = _SHAPES.sub(_keep_head, text)
    return _PERSONAL.sub(_keep_head, masked) if personal else masked


def redact(value: Any, *, personal: bool = False) -> Any:
    """A copy of a JSON-like value with its secrets masked."""
    return _redact(value, personal, 0)


def is_secret_name(name: str) -> bool:
    """Whether a field of this name is masked whole."""
    return _SECRET_NAME.search(name) is not None


def _redact(value: Any, personal: bool, depth: int) -> Any:
    if depth > DEPTH_LIMIT:
        return MASK
    match value:
        case str():
            return redact_text(value, personal=personal)
        case bytes():
            return redact_text(value.decode("utf-8", "replace"), personal=personal)
        case Mapping():
            return _redact_fields(value, personal, depth)  # pyright: ignore[reportUnknownArgumentType]
        case list() | tuple() | set() | frozenset():
            return [_redact(item, personal, depth + 1) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def _redact_fields(fields: Mapping[Any, Any], personal: bool, depth: int) -> dict[str, Any]:
    masked: dict[str, Any] = {}
    for name, item in fields.items():
        key = str(name)
        secret = item is not None and not isinstance(item, bool) and is_secret_name(key)
        masked[key] = MASK if secret else _redact(item, personal, depth + 1)
    return masked


def _keep_head(found: "re.Match[str]") -> str:
    group = found.lastgroup
    assert group is not None, "every alternative names its head"
    return found.group(group) + MASK
