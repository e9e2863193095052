"""The limit of the web framework here: Litestar under uvicorn decoding a 1 KB body, doing nothing."""

import asyncio
import multiprocessing
import socket

import msgspec
import uvicorn
from litestar import Litestar, post

from bench.http_load import closed_loop, request_bytes

_BODY = b'{"text":"%s"}' % (b"x" * 1000)


class _Body(msgspec.Struct):
    text: str


@post("/", status_code=202)
async def _echo(data: _Body) -> dict[str, int]:
    return {"size": len(data.text)}


def _serve(listener: socket.socket) -> None:
    config = uvicorn.Config(Litestar([_echo]), log_level="error", access_log=False, loop="uvloop")
    uvicorn.Server(config).run(sockets=[listener])


async def litestar_posts(*, total: int = 20_000) -> float:
    """Requests answered per second over 64 connections, the load generator on the same machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
    server.start()
    await asyncio.sleep(
        1.0
    )  # the listener queues connections; this only keeps start-up out of the measurement
    request = request_bytes(
        url, "POST", {"Content-Type": "application/json"}, b'{"text":"%s"}' % (b"x" * 1000)
    )
    try:
        return (await closed_loop(url, lambda _: request, total=total, connections=64)).rate
    finally:
        server.terminate()
        server.join()
        listener.close()
