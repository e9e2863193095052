"""Run one stand-in as a process until SIGINT or SIGTERM."""

import asyncio
import signal
import sys
from typing import Annotated, Protocol

import typer

from visapi.stack.ports import LOOPBACK

Host = Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 in a container.")]


class StandIn(Protocol):
    async def start(self, port: int = 0, host: str = LOOPBACK) -> str: ...
    async def stop(self) -> None: ...


async def serve_until_stopped(name: str, standin: StandIn, port: int, host: str = LOOPBACK) -> None:
    """Start, say where, wait for a signal, stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    url = await standin.start(port, host)
    sys.stdout.write(f"{name} ready on {url}\n")
    sys.stdout.flush()
    await stopping.wait()
    await standin.stop()
