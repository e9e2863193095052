"""Where things stand in the text of a definition: the line and the column of each JSON pointer.

Looked up only when there is something to say, so a definition without mistakes pays nothing. A member
of an object stands at its key, an item of a list at its beginning.
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
    """Each mistake with its line and column; one that has them keeps them.

    What is not written out (behind an alias, say) stands where the nearest thing around it does. A JSON
    text was read before; of a YAML text what can be read is enough.
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
    """A collection that is being read: its pointer, how many items it has, the key whose value comes."""

    __slots__ = ("at", "is_object", "items", "key")

    def __init__(self, at: str, *, is_object: bool) -> None:
        self.at = at
        self.is_object = is_object
        self.items = 0
        self.key: str | None = None

    def next(self) -> str:
        """The pointer of the value that comes."""
        place = self.items if self.key is None else self.key
        self.items += 1
        self.key = None
        return join(self.at, place)


def _yaml_places(text: str) -> Iterator[tuple[str, Position]]:
    """Every pointer of a YAML text, as far as it can be read."""
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
    """Where a node stands: a key for its value, a value for itself. A collection is opened."""
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
    """Every pointer of a JSON text, as far as it can be read."""
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
    """Brackets, texts and constants of a JSON text that was read before, with their offsets."""
    end = 0
    while (found := _WORD.match(text, end)) is not None:
        yield found[1], found.start(1)
        end = found.end()


class _Lines:
    """Positions in a text, asked for in their order."""

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
