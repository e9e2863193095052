"""The collections of a schedule, as the rows that follow from commands."""

from visapi_engine.machine.collections import Collections, StoredCollections
from visapi_engine.machine.commands import Command, DropCollection, KeepCollection


def collect(command: Command, collections: dict[str, bytes | None]) -> None:
    """Apply a command; others than those about collections change nothing."""
    match command:
        case KeepCollection():
            collections[command.key] = command.body
        case DropCollection():
            collections.pop(command.key, None)
        case _:
            return


def whole(collections: dict[str, bytes | None], most: int) -> Collections:
    """There are these collections and no others, of at most so many."""
    return Collections(StoredCollections(dict(collections), room=most - len(collections)), whole=True)
