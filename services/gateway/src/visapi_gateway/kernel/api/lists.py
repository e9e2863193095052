"""Pagination of all lists: `limit`, `cursor`, `next`."""

from typing import Annotated, Any

import msgspec

from visapi_common.core.clocks import WallClock
from visapi_common.core.keyrings import Keyring
from visapi_gateway.kernel.api.cursors import open_cursor, seal_cursor
from visapi_gateway.kernel.api.operation import Call

Limit = Annotated[int, msgspec.Meta(ge=1, le=200, description="The largest number of items.")]
Cursor = Annotated[str, msgspec.Meta(max_length=512, description="`next` of the previous page.")]


class Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Query of a list without filters."""

    limit: Limit = 50
    cursor: Cursor | None = None


class Cursors:
    """Cursors of this installation: opaque, and valid only for the same list and filters."""

    def __init__(self, keys: Keyring, clock: WallClock) -> None:
        self._keys = keys
        self._clock = clock

    def position(self, call: Call) -> str | None:
        """The position to continue from. Raises `ProblemError` 400."""
        cursor: str | None = call.query.cursor
        return None if cursor is None else self.open(_listing(call), cursor)

    def next(self, call: Call, position: str | None) -> str | None:
        return None if position is None else self.seal(_listing(call), position)

    def listing(self, call: Call) -> str:
        """The name of a call's list with its filters, which its cursors are bound to."""
        return _listing(call)

    def open(self, listing: str, cursor: str) -> str:
        """The position in a cursor of `listing`. Raises `ProblemError` 400."""
        return open_cursor(self._keys, listing, cursor)

    def seal(self, listing: str, position: str) -> str:
        return seal_cursor(self._keys.at(self._clock.now()).secret, listing, position)

    def page(self, call: Call, page: Any) -> Any:
        """The page with `next` sealed as a cursor."""
        return msgspec.structs.replace(page, next=self.next(call, page.next))


def _listing(call: Call) -> str:
    filters = {
        name: value for name, value in msgspec.structs.asdict(call.query).items() if name not in _PAGING
    }
    return f"{call.principal.tenant} {call.scope['path']} {msgspec.json.encode(filters).decode()}"


_PAGING = ("limit", "cursor")
