"""YAML 1.2 (core schema) built from libyaml's events, so that every limit holds while reading.

So `on`, `yes` and `12:30` are text, aliases are shared and counted as if written out, and
duplicate keys, merge keys, custom tags and several documents are refused with their place.
"""

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, cast

import yaml

from visapi_engine.source.pointers import join
from visapi_engine.source.unreadable import Position, Unreadable

ALIASES_MAX = 100

_SHIFT = 0x10FE00
"""Offset into a range of private characters, which texts rarely use."""
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_STAND_IN = re.compile(f"[{chr(_SHIFT)}-{chr(_SHIFT + 127)}]{{12}}")

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
_OCTAL = re.compile(r"0o[0-7]{1,400}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = frozenset({None, "!", _TAG + "str", _TAG + "map", _TAG + "seq"})
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, *, depth_max: int, values_max: int) -> Any:
    """Read the only document of the text. Raises `Unreadable`."""
    builder = _Builder(depth_max, values_max)
    at: Position | None = None
    try:
        for event in yaml_events(text):
            at = position_of(event.start_mark)
            builder.feed(event)
    except Unreadable as wrong:
        raise Unreadable(wrong.pointer, wrong.detail, at) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        detail = " ".join(part for part in (error.context, error.problem) if part)
        at = None if mark is None else position_of(mark)
        raise Unreadable("", detail + _hint(text, at), at) from error
    except yaml.YAMLError as error:
        raise Unreadable("", f"not YAML: {error}") from error
    return builder.document()


def _hint(text: str, at: Position | None) -> str:
    """A hint at an unquoted expression, a likely cause: `: `, `, ` and `}` have a meaning in YAML."""
    lines = text.splitlines()
    if at is None or at.line > len(lines) or "${" not in lines[at.line - 1]:
        return ""
    return "; write an expression in single quotes: '${ … }'"


def yaml_events(text: str) -> Iterator[Any]:
    r"""The events of a YAML text. Raises `yaml.YAMLError`.

    JSON writes a character beyond U+FFFF as two escapes, `\ud83d\ude00`, which libyaml does not know. They
    are replaced by placeholders of the same length, so that all positions stay right.
    """
    if _STAND_IN.search(text) is not None:
        yield from cast(Any, yaml.parse(text, Loader=LOADER))  # pyright: ignore[reportUnknownMemberType]
        return
    replaced = _PAIR.sub(lambda found: found[1] + _moved(found[2], _SHIFT), text)
    for event in cast(Any, yaml.parse(replaced, Loader=LOADER)):  # pyright: ignore[reportUnknownMemberType]
        if replaced is not text and isinstance(event, yaml.ScalarEvent):
            event.value = _STAND_IN.sub(_pair if event.style == '"' else _as_written, event.value)
        yield event


def _moved(text: str, by: int) -> str:
    return "".join(chr(ord(character) + by) for character in text)


def _as_written(found: re.Match[str]) -> str:
    return _moved(found[0], -_SHIFT)


def _pair(found: re.Match[str]) -> str:
    written = _as_written(found)
    high, low = int(written[2:6], 16), int(written[8:12], 16)
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def position_of(mark: Any) -> Position:
    """The position of a mark of libyaml."""
    return Position(mark.line + 1, mark.column + 1)


class _Open:
    """A collection that is being read; `size` and `height` are those with all aliases written out."""

    __slots__ = ("anchor", "at", "height", "key", "size", "value")

    def __init__(self, value: dict[str, Any] | list[Any], at: str, anchor: str | None) -> None:
        self.value = value
        self.at = at
        self.anchor = anchor
        self.key: str | None = None
        self.size = 1
        self.height = 1


class _Builder:
    def __init__(self, depth_max: int, values_max: int) -> None:
        self._depth_max = depth_max
        self._values_max = values_max
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._documents: list[Any] = []
        self._aliases = 0

    def document(self) -> Any:
        if not self._documents:
            raise Unreadable("", "the document is empty")
        return self._documents[0]

    def feed(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin({}, event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin([], event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent) and self._documents:
            raise Unreadable("", "a second document begins; send one at a time")

    def _place(self) -> str:
        if not self._open:
            return ""
        top = self._open[-1]
        if isinstance(top.value, list):
            return join(top.at, len(top.value))
        return join(top.at, top.key) if top.key is not None else top.at

    def _begin(self, value: dict[str, Any] | list[Any], event: Any) -> None:
        at = self._place()
        self._refuse_tag(event, at)
        if self._open and isinstance(self._open[-1].value, dict) and self._open[-1].key is None:
            raise Unreadable(at, "a key must be text")
        if len(self._open) >= self._depth_max:
            raise Unreadable(at, f"values are nested deeper than {self._depth_max}")
        self._open.append(_Open(value, at, event.anchor))

    def _end(self) -> None:
        done = self._open.pop()
        if done.anchor is not None:
            self._anchors[done.anchor] = (done.value, done.size, done.height)
        self._add(done.value, done.size, done.height)

    def _alias(self, event: Any) -> None:
        at = self._place()
        self._aliases += 1
        if self._aliases > ALIASES_MAX:
            raise Unreadable(at, f"more than {ALIASES_MAX} aliases")
        known = self._anchors.get(event.anchor)
        if known is None:
            raise Unreadable(at, f"no finished anchor &{event.anchor} stands before")
        if len(self._open) + known[2] > self._depth_max:
            raise Unreadable(at, f"values are nested deeper than {self._depth_max}")
        self._add(*known)

    def _scalar(self, event: Any) -> None:
        at = self._place()
        self._refuse_tag(event, at)
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, event)
            return
        value = _resolve(event, at)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1, 1)
        self._add(value, 1, 1)

    def _key(self, top: _Open, event: Any) -> None:
        key: str = event.value
        if event.implicit[0] and key == "<<":
            raise Unreadable(top.at, "merge keys (<<) are not part of YAML 1.2; write the keys out")
        if not isinstance(_resolve(event, top.at), str):
            raise Unreadable(top.at, f'a key must be text; write "{key}" in quotes')
        if key in top.value:
            raise Unreadable(join(top.at, key), f'the key "{key}" stands twice in one object')
        top.key = key

    def _add(self, value: Any, size: int, height: int) -> None:
        if not self._open:
            self._documents.append(value)
            return
        top = self._open[-1]
        top.size += size
        top.height = max(top.height, height + 1)
        if top.size > self._values_max:
            raise Unreadable("", f"the definition holds more than {self._values_max} values")
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            raise Unreadable(top.at, "a key must be text, not an alias")
        else:
            top.value[top.key] = value
            top.key = None

    @staticmethod
    def _refuse_tag(event: Any, at: str) -> None:
        if event.tag not in _PLAIN_TAGS:
            raise Unreadable(at, f"the tag {event.tag} is not supported")


def _resolve(event: Any, at: str) -> Any:
    """A scalar by the core schema (YAML 1.2.2, section 10.3.2); only plain scalars are not text."""
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 0)
    if _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if isfinite(value):
            return value
        raise Unreadable(at, f"the number {text[:40]} is too large")
    if _NOT_FINITE.fullmatch(text):
        raise Unreadable(at, f"{text} has no JSON form; write it as text")
    return text
