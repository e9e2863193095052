"""Masks secrets in outputs, errors, records and logs. Pure.

A value is searched as a whole first, and text by text only where a spelling is found. A text that would still
hold a spelling after masking is replaced as a whole.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from html.entities import html5
from typing import Any, NamedTuple, cast

import msgspec

from visapi_notifier.outbound.rules.spellings import LONG, Spelling, spellings_of, texts_in, views

HIDDEN = "***"
TOKEN_MIN = 4
"""Characters of a short value that is replaced within texts, as a whole word; a shorter one only where a
text or number is nothing else."""
NEEDLES_MAX = 600
"""Forms that are searched for in one task, so that the time of a search has a bound."""
_ESCAPED_MAX = 16
_WINDOW = 128 * 1024
_PRECISE_MAX = 1000
"""Characters of a form that is replaced precisely; a text that holds a longer one is replaced whole."""

_FOLD = r"(?:\x00|=?\r?\n[ \t]?|\\{1,8}(?:u0000|r\\{1,8}n|n)|\?=\s{0,4}=\?[\w-]{1,20}\?[qbQB]\?|\s{1,4})?"
_SPACE = (
    r"(?:\\|\s|\x00|\+|_|%(?:25){0,3}(?:20|0a|0d|09|5c|00)|=(?:20|0a|0d|09|5c)|&nbsp;|&#x?[0-9a-f]{1,6};)"
    r"{0,64}+"
)
_BASE64_MORE = "[A-Za-z0-9+/_-]?"
_NAMED: dict[str, list[str]] = {}
for _name, _characters in html5.items():
    if _name.endswith(";"):
        _NAMED.setdefault(_characters, []).append(_name)

_encoder = msgspec.json.Encoder(enc_hook=repr)


class Hidden(msgspec.Struct, frozen=True):
    """The values that a mask hides: the process's `own`, and those of its task."""

    own: list[str] = []
    values: list[str] = []


class Found(NamedTuple):
    """The forms that a text holds, the longest first, and the fewest characters that one needs."""

    forms: Sequence[Spelling]
    shortest: int

    def none_in(self, text: str) -> bool:
        """Whether the text is too short for any of them.

        No view of an ASCII text has more characters than the text: an escape of one that is more in one
        case is longer than those.
        """
        return len(text) < self.shortest and text.isascii()


class Mask:
    """The secrets of one task. `own` are the process's own, which no task may see either."""

    def __init__(self, own: "Mask | None" = None) -> None:
        self._own = own
        self._values: dict[str, None] = {}

    def add(self, values: Iterable[Any]) -> None:
        """Hide these from now on: texts, numbers, and all within objects and lists."""
        for value in values:
            self._values.update(dict.fromkeys(texts_in(value)))
        for derived in ("spellings", "short", "_reach"):
            self.__dict__.pop(derived, None)

    @property
    def hidden_values(self) -> "Hidden":
        """What is hidden, to be hidden elsewhere: see `mask_of`."""
        own = self._own.hidden_values if self._own else Hidden()
        return Hidden([*own.own, *own.values], list(self._values))

    @property
    def used(self) -> bool:
        """Whether there is anything to hide."""
        return bool(self._values) or (self._own is not None and self._own.used)

    @cached_property
    def spellings(self) -> Sequence[Spelling]:
        """The forms that are searched for."""
        own = self._own.spellings if self._own else ()
        each = [spellings_of(value) for value in self._values]
        # Plain forms of all values come before the coded ones of any.
        mixed = sorted((one for forms in each for one in forms), key=lambda one: one.coded)
        return [*own, *mixed][:NEEDLES_MAX]

    @cached_property
    def short(self) -> frozenset[str]:
        """Values that cannot be told from ordinary text."""
        own = self._own.short if self._own else frozenset[str]()
        return own | {value for value in self._values if 0 < len(value) < LONG}

    def hide(self, value: Any) -> Any:
        """The value, data as JSON has it, with every secret in it replaced."""
        if not self.used or value is None:
            return value
        if isinstance(value, str):
            return self._hide_text(value, self._found(value))
        found = self._found(_encoder.encode(value).decode())
        return self._walk(value, found) if found.forms or self.short else value

    def cut(self, text: str, limit: int) -> str:
        """The beginning of a text, hidden before it is cut: half a secret would not be found."""
        return str(self.hide(text))[:limit]

    def hide_bytes(self, body: bytes) -> bytes:
        """A body that is handed on as it came."""
        if not self.used:
            return body
        text = body.decode("latin-1")
        hidden = self._hide_text(text, self._found(text))
        return body if hidden is text else hidden.encode("latin-1", "replace")

    @cached_property
    def _reach(self) -> int:
        """How long the longest form can stand in a text, every character of it escaped."""
        return _ESCAPED_MAX * max((len(one.source) for one in self.spellings), default=0)

    def finds_in(self, text: str) -> bool:
        """Whether a spelling is in the text, as far as a search tells that takes out nothing."""
        return bool(self._found(text).forms)

    def _found(self, text: str) -> Found:
        found: dict[Spelling, None] = {}
        for window in _windows(text, self._reach):
            for view in views(window):
                found.update((one, None) for one in self.spellings if one.needle in view)
        forms = sorted(found, key=lambda one: len(one.source), reverse=True)
        return Found(forms, min((len(one.needle) for one in forms), default=0))

    def _walk(self, value: Any, found: Found) -> Any:
        if isinstance(value, str):
            return self._hide_text(value, found)
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            return {self._walk(name, found): self._walk(inner, found) for name, inner in fields.items()}
        if isinstance(value, list | tuple):
            items = cast("list[Any]", value)
            hidden = [self._walk(item, found) for item in items]
            return HIDDEN if self._still(_joined(hidden), found) else hidden
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = msgspec.json.encode(value).decode()
            if not self.short and found.none_in(text):
                return value
            return value if self._hide_text(text, found) == text else HIDDEN
        return value

    def _hide_text(self, text: str, found: Found) -> str:
        hidden = self._without_short(text) if self.short else text
        if not self._still(hidden, found):
            return hidden
        for one in found.forms:
            if len(one.source) <= _PRECISE_MAX:
                hidden = _replaced(_pattern(one), hidden, self._reach)
        return HIDDEN if self._still(hidden, found) else hidden

    def _still(self, text: str, found: Found) -> bool:
        if not (found.forms and text) or found.none_in(text):
            return False
        return any(
            one.needle in view
            for window in _windows(text, self._reach)
            for view in views(window)
            for one in found.forms
        )

    def _without_short(self, text: str) -> str:
        if text in self.short:
            return HIDDEN
        words = [re.escape(value) for value in self.short if len(value) >= TOKEN_MIN and value in text]
        if not words:
            return text
        return re.sub(rf"(?<![A-Za-z0-9])(?:{'|'.join(words)})(?![A-Za-z0-9])", HIDDEN, text)


def mask_of(hidden: Hidden) -> Mask:
    """The mask that `Mask.hidden_values` was taken from."""
    own = Mask()
    own.add(hidden.own)
    mask = Mask(own)
    mask.add(hidden.values)
    return mask


NOTHING = Mask()
"""Hides nothing."""


def _joined(items: list[Any]) -> str:
    """Numbers of a list as one text: a list of bytes may spell a secret."""
    numbers = [item for item in items if isinstance(item, int) and not isinstance(item, bool)]
    return ",".join(map(str, numbers)) if len(numbers) >= LONG else ""


def _windows(text: str, reach: int) -> Iterator[str]:
    """The text in pieces that overlap by `reach`: no step over a piece takes long."""
    if len(text) <= _WINDOW + reach:
        yield text
        return
    for start in range(0, len(text), _WINDOW):
        yield text[start : start + _WINDOW + reach]


def _replaced(pattern: "re.Pattern[str]", text: str, reach: int) -> str:
    """`pattern.sub` in steps of a window."""
    pieces: list[str] = []
    copied = at = 0
    while at < len(text):
        match = pattern.search(text, at, at + _WINDOW + reach)
        if match is None or match.start() >= at + _WINDOW:
            at += _WINDOW
            continue
        pieces += (text[copied : match.start()], HIDDEN)
        copied = at = match.end()
    return "".join([*pieces, text[copied:]])


def _pattern(spelling: Spelling) -> "re.Pattern[str]":
    if spelling.coded:
        core = _FOLD.join(_coded_character(one) for one in spelling.source)
        return re.compile(f"{_BASE64_MORE}{core}(?:{_BASE64_MORE}={{0,2}})", re.IGNORECASE)
    return re.compile(_FOLD.join(_character(one) for one in spelling.source), re.IGNORECASE)


def _coded_character(one: str) -> str:
    if one in "+-":
        return r"(?:[-+ ]|%(?:25){0,3}2[bd])"
    if one in "/_":
        return r"(?:\\{0,8}/|_|%(?:25){0,3}[25]f)"
    return re.escape(one)


def _character(one: str) -> str:
    """A character in each of its escaped forms."""
    code = ord(one)
    if one.isspace() or one in "\\\x00":
        return _SPACE
    forms = {re.escape(form) for form in (one, one.upper(), one.lower())}
    escaped = {f"u{unit:04x}" for unit in _utf16(one)} if code < 0x10000 else set[str]()
    forms |= {rf"(?:\\{{1,8}}|%){form}" for form in escaped}
    if code >= 0x10000:
        forms.add("".join(rf"\\{{1,8}}u{unit:04x}" for unit in _utf16(one)))
    for data in (one.encode("utf-8", "replace"), one.encode("latin-1", "replace")):
        for before in (r"%(?:25){0,3}", "=", r"\\{1,8}x"):
            forms.add("".join(f"{before}{byte:02x}" for byte in data))
    forms.add(rf"&(?:amp;){{0,3}}(?:#0{{0,5}}{code};?|#x0{{0,5}}{code:x};?)")
    forms |= {"&(?:amp;){0,3}" + re.escape(name) for name in _NAMED.get(one, ())}
    return rf"(?:\\{{0,8}}(?:{'|'.join(sorted(forms, key=len, reverse=True))}))"


def _utf16(one: str) -> list[int]:
    data = one.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]
