"""The parent's end of the socket to a child process."""

import asyncio
import socket
from typing import Any, Generic, TypeVar

import msgspec

from visapi_common.runtime.framing import frame

_Down = TypeVar("_Down", bound=msgspec.Struct)
_Up = TypeVar("_Up")
_BUFFER_BYTES = 1024 * 1024


class ChildStream(Generic[_Down, _Up]):
    """Sends and receives framed messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, up: Any) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder: msgspec.msgpack.Decoder[_Up] = msgspec.msgpack.Decoder(up)

    @classmethod
    async def over(cls, connection: socket.socket, up: Any) -> "ChildStream[_Down, _Up]":
        """`up` is the union of the messages that the child sends."""
        return cls(*await asyncio.open_connection(sock=connection, limit=_BUFFER_BYTES), up)

    def send(self, message: _Down) -> None:
        self._writer.write(frame(message))

    async def receive(self) -> _Up:
        """Raises `EOFError`, `OSError`, or `msgspec.DecodeError` for bytes that are no message."""
        head = await self._reader.readexactly(4)
        return self._decoder.decode(await self._reader.readexactly(int.from_bytes(head, "big")))

    def close(self) -> None:
        self._writer.close()
