"""Where an endpoint leads: a server that verifies webhooks with the library of Standard Webhooks, and answers as a test says."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from standardwebhooks import Webhook


class Received(msgspec.Struct, frozen=True):
    """A webhook that came. `valid`: one of the signatures is right."""

    path: str
    id: str
    type: str
    valid: bool
    body: dict[str, Any]
    at: float


Answer = Callable[[Received], tuple[int, str]]
"""The status and more header lines."""


def accepted(_: Received) -> tuple[int, str]:
    return 200, ""


class EndpointReceiver:
    """Verifies with the secret of the path, and answers `answers[path]`, else 200. `delays` are seconds by path."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.answers: dict[str, Answer] = {}
        self.delays: dict[str, float] = {}
        self.received: list[Received] = []
        self.port = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        return [one for one in self.received if one.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        text = await reader.readexactly(int(headers.get("content-length", "0")))
        one = self._read(first.split(" ")[1], headers, text)
        self.received.append(one)
        if one.path in self.delays:
            await asyncio.sleep(self.delays[one.path])
        status, more = self.answers.get(one.path, accepted)(one)
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n{more}\r\nok".encode())
        await writer.drain()

    def _read(self, path: str, headers: dict[str, str], text: bytes) -> Received:
        valid = True
        try:
            Webhook(self.secrets[path]).verify(text.decode(), headers)
        except Exception:  # noqa: BLE001 (the library raises errors of several kinds)
            valid = False
        body = json.loads(text)
        return Received(path, headers["webhook-id"], body["type"], valid, body, time.time())


@asynccontextmanager
async def endpoint_receiver() -> AsyncIterator[EndpointReceiver]:
    receiver = EndpointReceiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
