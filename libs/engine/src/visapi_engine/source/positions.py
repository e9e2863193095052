"""Positions in the text of a definition: the line and the column of each JSON pointer.

Computed only for a definition with mistakes. The position of a member of an object is that of its key, the
position of an item of a list is its beginning.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import yaml

from visapi_common.contracts.problems import FieldError
from visapi_engine.source.pointers import join
from visapi_engine.source.unreadable import Position
from visapi_engine.source.yaml_source import position_of, yaml_events

DEPTH_MAX = 64
PLACES_MAX = 50_000

_WORD = re.compile(r'[\s,:]*("(?:[^"\\]|\\.)*"|[][{}]|[^][{}:,\s"]+)')


def located(errors: Sequence[FieldError], text: str, *, is_json: bool) -> list[FieldError]:
    """The mistakes with lines and columns; a mistake that has a position keeps it.

    A value that is not written out (behind an alias, for example) has the position of the nearest enclosing
    value. A JSON text must be valid; a YAML text is read up to its first syntax error.
    """
    if all(error.line is not None for error in errors):
        return list(errors)
    places = dict(_json_places(text) if is_json else _yaml_places(text))
    return [error if error.line is not None else _located(error, places) for error in errors]


def _located(error: FieldError, places: dict[str, Position]) -> FieldError:
    pointer = error.pointer
    while pointer and pointer not in places:
        pointer = pointer.rpartition("/")[0]
    found = places.get(pointer)
    return error if found is None else msgspec.structs.replace(error, line=found.line, column=found.column)


class _Open:
    """A collection that is being read: its pointer, its number of items, and the key of the next value."""

    __slots__ = ("at", "is_object", "items", "key")

    def __init__(self, at: str, *, is_object: bool) -> None:
        self.at = at
        self.is_object = is_object
        self.items = 0
        self.key: str | None = None

    def next(self) -> str:
        """The pointer of the next value."""
        place = self.items if self.key is None else self.key
        self.items += 1
        self.key = None
        return join(self.at, place)


def _yaml_places(text: str) -> Iterator[tuple[str, Position]]:
    """The positions of all pointers of a YAML text, up to its first syntax error."""
    opened: list[_Open] = []
    try:
        for count, event in enumerate(yaml_events(text)):
            if count > PLACES_MAX or len(opened) > DEPTH_MAX:
                return
            if isinstance(event, yaml.CollectionEndEvent):
                opened.pop()
            elif isinstance(event, yaml.NodeEvent):
                yield from _yaml_place(opened, event)
    except yaml.YAMLError:
        return


def _yaml_place(opened: list[_Open], event: Any) -> Iterator[tuple[str, Position]]:
    """Record the position of a node: a key counts for its value. Opens a collection."""
    top = opened[-1] if opened else None
    begins = isinstance(event, yaml.CollectionStartEvent)
    if top is not None and top.is_object and top.key is None and not begins:
        top.key = str(getattr(event, "value", ""))
        yield join(top.at, top.key), position_of(event.start_mark)
        return
    of_key = top is not None and top.key is not None
    at = "" if top is None else top.next()
    if not of_key:
        yield at, position_of(event.start_mark)
    if begins:
        opened.append(_Open(at, is_object=isinstance(event, yaml.MappingStartEvent)))


def _json_places(text: str) -> Iterator[tuple[str, Position]]:
    """The positions of all pointers of a JSON text."""
    opened: list[_Open] = []
    lines = _Lines(text)
    for word, offset in _json_words(text):
        top = opened[-1] if opened else None
        if word in ("]", "}"):
            opened.pop()
        elif top is not None and top.is_object and top.key is None:
            top.key = key = str(json.loads(word))
            yield join(top.at, key), lines.position(offset)
        else:
            of_key = top is not None and top.key is not None
            at = "" if top is None else top.next()
            if not of_key:
                yield at, lines.position(offset)
            if word in ("[", "{"):
                opened.append(_Open(at, is_object=word == "{"))


def _json_words(text: str) -> Iterator[tuple[str, int]]:
    """The brackets, texts and constants of a valid JSON text, with their offsets."""
    end = 0
    while (found := _WORD.match(text, end)) is not None:
        yield found[1], found.start(1)
        end = found.end()


class _Lines:
    """Lines and columns of offsets, which callers request in ascending order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line = 1
        self._begin = 0

    def position(self, offset: int) -> Position:
        end = self._text.find("\n", self._begin, offset)
        while end >= 0:
            self._line += 1
            self._begin = end + 1
            end = self._text.find("\n", self._begin, offset)
        return Position(self._line, offset - self._begin + 1)
