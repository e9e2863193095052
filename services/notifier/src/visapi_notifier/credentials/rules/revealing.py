"""Replaces secret handles in the input of a call. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_common.core.secret_handles import Path, handles_in


class Opened(msgspec.Struct, frozen=True):
    """A secret's value, and where it may be sent (None: anywhere)."""

    value: Any
    hosts: tuple[str, ...] | None = None


class NotAllowed(Exception):
    """A missing secret, or one that may not be used for this call; becomes an authorization error."""

    @property
    def error(self) -> WorkflowError:
        return standard_error("authorization", 403, title="Secret not available", detail=str(self))


def paths_in(value: Any, key: bytes) -> set[Path]:
    """Every secret that the input names."""
    found: set[Path] = set()
    for text in _texts(value):
        found.update(path for _, _, path in handles_in(text, key))
    return found


def reveal(value: Any, key: bytes, values: Mapping[Path, Any]) -> Any:
    """The input with the values of its handles."""
    if isinstance(value, str):
        return _reveal_text(value, key, values)
    if isinstance(value, dict):
        return {name: reveal(inner, key, values) for name, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [reveal(inner, key, values) for inner in cast("list[Any]", value)]
    return value


def _reveal_text(text: str, key: bytes, values: Mapping[Path, Any]) -> Any:
    found = handles_in(text, key)
    if not found:
        return text
    if found[0][:2] == (0, len(text)):
        return values[found[0][2]]
    parts: list[str] = []
    end = 0
    for start, stop, path in found:
        inner = values[path]
        parts += [text[end:start], inner if isinstance(inner, str) else msgspec.json.encode(inner).decode()]
        end = stop
    return "".join([*parts, text[end:]])


def member(path: Path, secrets: Mapping[str, Opened]) -> Any:
    """What a handle names. Raises `NotAllowed` for a member that the secret does not have."""
    value = secrets[path[0]].value
    for name in path[1:]:
        if not isinstance(value, dict) or name not in value:
            raise NotAllowed(f"the secret {path[0]!r} has no member {'.'.join(path[1:])!r}")
        value = cast("dict[str, Any]", value)[name]
    return value


class Destinations:
    """Where the secrets of an input may be sent."""

    def __init__(self, secrets: Mapping[str, Opened]) -> None:
        self._secrets = secrets

    def check(self, host: str, port: int) -> None:
        """Check that every secret may be sent to the destination. Raises `NotAllowed`."""
        for name, opened in self._secrets.items():
            if opened.hosts is not None and not any(_fits(allowed, host, port) for allowed in opened.hosts):
                raise NotAllowed(f"the secret {name!r} may not be sent there; see its hosts")


def _fits(allowed: str, host: str, port: int) -> bool:
    wanted, _, wanted_port = allowed.partition(":")
    if wanted_port and int(wanted_port) != port:
        return False
    return host == wanted or (wanted.startswith("*.") and host.endswith(wanted[1:]))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in cast("dict[str, Any]", value).values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _texts(inner)
