"""A cache of values from the artifact store; the least recently used ones are dropped first. Pure."""

BYTES_MAX = 64 * 1024 * 1024

Key = tuple[str, str]
"""A tenant and the key of a value, so that no tenant finds what another has read."""


class ByteCache:
    """Bytes by key, together at most `bytes_max`."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._held: dict[Key, bytes] = {}
        self._bytes = 0

    def get(self, key: Key) -> bytes | None:
        value = self._held.pop(key, None)
        if value is not None:
            self._held[key] = value
        return value

    def put(self, key: Key, value: bytes) -> None:
        self._bytes += len(value) - len(self._held.pop(key, b""))
        self._held[key] = value
        while self._bytes > self._bytes_max:
            self._bytes -= len(self._held.pop(next(iter(self._held))))
