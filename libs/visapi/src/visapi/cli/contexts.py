"""Saved gateways with their keys: one file of the user, which nobody else may read."""

import os
import stat
from pathlib import Path

import msgspec

from visapi.admin.private_files import write_private
from visapi_common.contracts.foreign import Unreadable, read_as

_BYTES_MAX = 1024 * 1024


class ContextsError(Exception):
    """The file cannot be used; the message says why and how to mend it."""


class Context(msgspec.Struct, frozen=True):
    """A gateway and the key for it."""

    url: str
    key: str


class Contexts(msgspec.Struct, frozen=True):
    """Contexts by name, and the name of the one that commands use when they name none."""

    current: str | None = None
    saved: dict[str, Context] = {}

    def named(self, name: str) -> Context:
        """Raises `ContextsError` where there is none of the name."""
        found = self.saved.get(name)
        if found is None:
            raise ContextsError(f"there is no context {name!r}; `visapi context list` names them")
        return found

    def with_saved(self, name: str, context: Context) -> "Contexts":
        """With one more context, the current one if it is the first."""
        return Contexts(self.current or name, {**self.saved, name: context})

    def using(self, name: str | None) -> "Contexts":
        """With another current context, or with none."""
        if name is not None:
            self.named(name)
        return Contexts(name, self.saved)

    def without(self, name: str) -> "Contexts":
        """With one context fewer."""
        self.named(name)
        kept = {each: context for each, context in self.saved.items() if each != name}
        return Contexts(None if self.current == name else self.current, kept)


def contexts_file() -> Path:
    """Where contexts are saved: `visapi/contexts.json` in the user's configuration (XDG)."""
    configured = os.environ.get("XDG_CONFIG_HOME")
    return (Path(configured) if configured else Path.home() / ".config") / "visapi" / "contexts.json"


def read_contexts(path: Path) -> Contexts:
    """Raises `ContextsError` when others may read the file, or when it is damaged."""
    try:
        mode = path.stat().st_mode
        body = path.read_bytes()
    except FileNotFoundError:
        return Contexts()
    except OSError as error:
        raise ContextsError(f"{path} cannot be read: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise ContextsError(f"{path} holds keys and others may read it; chmod 600 {path}")
    found = read_as(Contexts, body, bytes_max=_BYTES_MAX)
    if isinstance(found, Unreadable):
        raise ContextsError(f"{path} is damaged: {found.reason}")
    return found


def write_contexts(path: Path, contexts: Contexts) -> None:
    """Replace the file at once; only its owner may read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, msgspec.json.format(msgspec.json.encode(contexts), indent=2) + b"\n")
