"""Masks secrets and personal data in logs and traces, within a bound of time.

Three rules: a field with a secret name is masked as a whole; in every text the known formats of secrets are
masked; and so are personal data (`personal.py`), unless they are to be shown. Masking keeps what identifies
the owner (a key's id, a URL's host), and never a credential. Long texts lose their middle before they are
searched, and records have a bounded size, so that no record costs more than a few milliseconds.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from visapi_common.core.personal import (
    PRIVATE,
    is_card,
    is_personal_name,
    is_recipients_number,
    mask_personal,
)

MASK = "***"
DEPTH_LIMIT = 16
"""Deeper values are masked as a whole; no ordinary log record is that deep."""
TEXT_MAX = 8192
"""Characters that are kept of one text."""
RECORD_MAX = 4 * TEXT_MAX
"""Characters that are kept of the texts of one record."""
ITEMS_MAX = 2000
"""Values that are kept of one record."""
_TOKEN_MAX = 1024
"""Where a text is cut, so much is given up to find a space: half a secret would not be found."""
_TAIL = TEXT_MAX // 4
_NAME_MAX = 24
"""A longer name of a field may be data."""
_MANY = 10**6
"""Smaller integers are counts, whatever their field is called."""

_SECRET_NAME = re.compile(
    r"(?:^|[-_.])(?:passwords?|passwd|secrets?|tokens?|authorization|cookies?|set-cookie|api-?_?keys?"
    r"|apikey|pepper|private-?_?key|credentials?|signature|dsn)$",
    re.IGNORECASE,
)

_MASKED_PARAMETER = (
    r"signature|sig|token|access_token|refresh_token|id_token|api_key|apikey|key|secret|password|code"
    r"|x-amz-signature|x-amz-credential|x-amz-security-token|awsaccesskeyid|x-goog-signature|sv|se|skoid"
)

_SAID = (
    r"passwords?|passwd|pwd|secret|client_?secret|token|(?:access|refresh|id)_?token"
    r"|api_?key|authorization|pepper"
)
"""Names whose values are masked inside a text, where they are written as JSON or as an assignment."""

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
            r"(?P<jwt>(?<![A-Za-z0-9_-])eyJ)[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){0,2}",
            rf"(?P<named>[\"'](?:[\w-]{{0,40}}[-_])?(?:{_SAID})[\"']\s{{0,3}}:\s{{0,3}}[\"'])[^\"'\n]+",
            rf"(?P<assigned>(?<![A-Za-z0-9?&;])(?:\w{{0,40}}_)?(?:{_SAID})=)[^\s&\"',;]+",
            r"(?P<aws>\bA[KS]IA)[0-9A-Z]{16}\b",
            r"(?P<github>\b(?:gh[pousr]|github_pat)_)[A-Za-z0-9_]{20,}",
            r"(?P<payments>\b[rs]k_(?:live|test)_)[A-Za-z0-9]{10,}",
            r"(?P<nkey>\bS[ACNOUX])[A-Z2-7]{56}\b",
            r"(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
        )
    ),
    re.IGNORECASE,
)


def redact_text(text: str, *, personal: bool = True) -> str:
    """Mask the known formats of secrets in a text and, with `personal`, personal data. A long text loses its
    middle.
    """
    masked = _SHAPES.sub(_keep_head, _shortened(text))
    return mask_personal(masked) if personal else masked


def redact(value: Any, *, personal: bool = True) -> Any:
    """A copy of a JSON-like value with its secrets and, with `personal`, its personal data masked."""
    return _Redaction(personal=personal).of(value, 0)


def is_secret_name(name: str) -> bool:
    """Whether a field of this name is masked whole."""
    return _SECRET_NAME.search(name) is not None


class _Redaction:
    """One record: what may still be kept of it."""

    def __init__(self, *, personal: bool) -> None:
        self._personal = personal
        self._characters = RECORD_MAX
        self._items = ITEMS_MAX

    def of(self, value: Any, depth: int) -> Any:
        self._items -= 1
        if depth > DEPTH_LIMIT or self._items < 0:
            return MASK
        match value:
            case None | bool() | float():
                return value
            case int():
                return self._number(value)
            case Mapping():
                return self._fields(value, depth)  # pyright: ignore[reportUnknownArgumentType]
            case list() | tuple() | set() | frozenset():
                return self._list(value, depth)  # pyright: ignore[reportUnknownArgumentType]
            case msgspec.Struct():
                return self._fields(msgspec.structs.asdict(value), depth)
            case _:
                return self._text(_written(value))

    def _number(self, value: int) -> int | str:
        card = self._personal and 10**12 <= value < 10**19 and is_card(str(value))
        return "<card>" if card else value

    def _text(self, text: str) -> str:
        if self._characters <= 0:
            return MASK
        masked = redact_text(text, personal=self._personal)
        self._characters -= min(len(text), TEXT_MAX)
        return masked

    def _list(
        self, items: "list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]", depth: int
    ) -> list[Any]:
        kept: list[Any] = []
        for item in items:
            if self._items <= 0:
                kept.append(MASK)
                break
            kept.append(self.of(item, depth + 1))
        return kept

    def _fields(self, fields: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        masked: dict[str, Any] = {}
        for name, item in fields.items():
            if self._items <= 0:
                masked[MASK] = MASK
                break
            key = str(name)
            if len(key) > _NAME_MAX or not key.isidentifier():
                key = self._text(key)
            masked[key] = self._field(key, item, depth)
        return masked

    def _field(self, name: str, item: Any, depth: int) -> Any:
        if item is None or isinstance(item, bool):
            return item
        if is_secret_name(name):
            return MASK
        count = isinstance(item, int | float) and abs(item) < _MANY
        if self._personal and not count:
            if is_personal_name(name):
                return PRIVATE
            if isinstance(item, str) and is_recipients_number(name, item):
                return "<phone>"
        return self.of(item, depth + 1)


def _written(value: Any) -> str:
    match value:
        case str():
            return value
        case bytes():
            return value[: 4 * TEXT_MAX].decode("utf-8", "replace")
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case _:
            return repr(value)


def _shortened(text: str) -> str:
    """A long text without its middle, cut at spaces: half a secret would not be found."""
    if len(text) <= TEXT_MAX:
        return text
    head, tail = text[: TEXT_MAX - _TAIL], text[-_TAIL:]
    space = max(head.rfind(" ", -_TOKEN_MAX), head.rfind("\n", -_TOKEN_MAX))
    head = head[: space if space >= 0 else -_TOKEN_MAX]
    spaces = [
        place for place in (tail.find(" ", 0, _TOKEN_MAX), tail.find("\n", 0, _TOKEN_MAX)) if place >= 0
    ]
    tail = tail[min(spaces) if spaces else _TOKEN_MAX :]
    return f"{head} [{len(text) - len(head) - len(tail)} characters left out] {tail}"


def _keep_head(found: "re.Match[str]") -> str:
    group = found.lastgroup
    assert group is not None, "every alternative names its head"
    return found.group(group) + MASK
