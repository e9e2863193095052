"""What is known of a stored object without its bytes. Pure."""

from datetime import datetime

import msgspec


class StoredObject(msgspec.Struct, frozen=True):
    """An object as it was found. `put_at`: when it was put, or put again."""

    size: int
    put_at: datetime
