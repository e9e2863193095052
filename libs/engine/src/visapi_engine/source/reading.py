"""From bytes to plain data: text, size, depth and duplicate checks common to YAML and JSON."""

from typing import Any, cast

from visapi_common.contracts.problems import FieldError
from visapi_engine.source.findings import DefinitionInvalid
from visapi_engine.source.json_source import read_json
from visapi_engine.source.pointers import join
from visapi_engine.source.positions import located
from visapi_engine.source.unreadable import Unreadable
from visapi_engine.source.yaml_source import read_yaml

BYTES_MAX = 1024 * 1024
DEPTH_MAX = 64
VALUES_MAX = 50_000
INTEGER_MAX = 2**63 - 1

_YAML = frozenset(
    {"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "application/openapi+yaml"}
)
_JSON = frozenset({"application/json", "text/json"})


def read_source(source: bytes, media_type: str) -> Any:
    """The document as plain data. Raises `DefinitionInvalid` if it cannot be read."""
    try:
        data = _parse(_text(source), media_type)
        _check(data)
    except Unreadable as error:
        raise DefinitionInvalid([_located(error, source, media_type)], status=400) from error
    return data


def locate(errors: list[FieldError], source: bytes, media_type: str) -> list[FieldError]:
    """The mistakes of a document with their positions in its text."""
    return located(errors, source.decode("utf-8-sig", errors="replace"), is_json=_is_json(media_type))


def _located(error: Unreadable, source: bytes, media_type: str) -> FieldError:
    if error.position is not None:
        return FieldError(error.pointer, error.detail, error.position.line, error.position.column)
    mistake = FieldError(error.pointer, error.detail)
    return locate([mistake], source, media_type)[0] if error.pointer else mistake


def _text(source: bytes) -> str:
    if len(source) > BYTES_MAX:
        raise Unreadable("", f"the definition has {len(source)} bytes, allowed are {BYTES_MAX}")
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("", f"byte {error.start} is not valid UTF-8") from error
    if "\0" in text:
        raise Unreadable("", f"character {text.index(chr(0)) + 1} is NUL, which no text may contain")
    return text


def _parse(text: str, media_type: str) -> Any:
    if _is_json(media_type):
        return read_json(text)
    kind = _kind(media_type)
    if kind in _YAML or kind.endswith("+yaml"):
        return read_yaml(text, depth_max=DEPTH_MAX, values_max=VALUES_MAX)
    raise Unreadable("", f"media type {media_type!r} is unknown; send application/yaml or application/json")


def _is_json(media_type: str) -> bool:
    kind = _kind(media_type)
    return kind in _JSON or kind.endswith("+json")


def _kind(media_type: str) -> str:
    return media_type.split(";", maxsplit=1)[0].strip().lower()


def _check(data: Any) -> None:
    """Check the limits that hold for YAML and JSON alike."""
    stack: list[tuple[Any, str, int]] = [(data, "", 1)]
    count = 0
    while stack:
        value, at, depth = stack.pop()
        count += 1
        if depth > DEPTH_MAX:
            raise Unreadable(at, f"values are nested deeper than {DEPTH_MAX}")
        if count > VALUES_MAX:
            raise Unreadable("", f"the definition holds more than {VALUES_MAX} values")
        if isinstance(value, dict):
            for key, inner in cast(dict[str, Any], value).items():
                _check_text(key, at)
                stack.append((inner, join(at, key), depth + 1))
        elif isinstance(value, list):
            for index, inner in enumerate(cast(list[Any], value)):
                stack.append((inner, join(at, index), depth + 1))
        elif isinstance(value, str):
            _check_text(value, at)
        elif isinstance(value, int) and abs(value) > INTEGER_MAX:
            raise Unreadable(at, "the integer does not fit 64 bits; write it as text")


def _check_text(text: str, at: str) -> None:
    if "\0" in text:
        raise Unreadable(at, "the text contains NUL, which no text may contain")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Unreadable(at, "the text contains half of a surrogate pair") from error
