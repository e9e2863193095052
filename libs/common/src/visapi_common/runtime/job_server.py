"""The parent's side of the job server (`bounded_child`)."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from visapi_common.contracts.formats import written
from visapi_common.core.errors import TransientFault
from visapi_common.runtime.bounded_protocol import Bounds, Done, Down, Ended, Kill, Ready, Run, Start, Up
from visapi_common.runtime.child_stream import ChildStream

_MODULE = "visapi_common.runtime.bounded_child"
_START_S = 15.0
_GRACE_S = 2.0
"""How long past its wall time a job may stay unanswered before the server is replaced."""


class ServerLost(TransientFault):
    """The server ended before the job."""


class JobServer:
    """A process that forks jobs; several are under way at once."""

    def __init__(self, child: asyncio.subprocess.Process, stream: ChildStream[Down, Up]) -> None:
        self._child = child
        self._stream = stream
        self._waiting: dict[int, asyncio.Future[Done | Ended]] = {}
        self._next_id = 0
        self._lost = False
        self._reader: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return not self._lost and self._child.returncode is None

    @property
    def pid(self) -> int:
        return self._child.pid

    async def warm_up(self, start: Start) -> None:
        """Make the server import its functions. Raises `ServerLost`, and then leaves no process behind."""
        self._stream.send(start)
        try:
            async with asyncio.timeout(_START_S):
                message = await self._stream.receive()
        except (TimeoutError, EOFError, OSError) as failed:
            await self.end()
            raise ServerLost(f"the job server did not start: {type(failed).__name__}") from failed
        except asyncio.CancelledError:
            await self.end()
            raise
        assert isinstance(message, Ready), f"expected Ready, got {type(message).__name__}"
        self._reader = asyncio.create_task(self._read(), name="job-server")

    async def run(self, function: str, payload: bytes, bounds: Bounds) -> Done | Ended:
        """The result of one job. Raises `ServerLost`; a caller that gives up ends the job."""
        if not self.alive:
            raise ServerLost("the job server has ended")
        self._next_id += 1
        id_ = self._next_id
        answer: asyncio.Future[Done | Ended] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = answer
        self._stream.send(Run(id_, function, payload, bounds))
        try:
            async with asyncio.timeout(bounds.wall_ms / 1000 + _GRACE_S):
                return await answer
        except TimeoutError:
            # The kernel should have ended the job: the server hangs, or the timer was disarmed.
            await self.end()
            return Ended(id_, "wall", "the job server hung")
        except asyncio.CancelledError:
            if self.alive:
                self._stream.send(Kill(id_))
            raise
        finally:
            self._waiting.pop(id_, None)

    async def end(self) -> None:
        """Kill the server and its jobs, and wait until the server is gone."""
        self._fail()
        self._stream.close()
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
        with suppress(ProcessLookupError):
            # The server leads a process group, so its jobs end with it even if it has already exited.
            os.killpg(self._child.pid, signal.SIGKILL)
        await self._child.wait()

    async def _read(self) -> None:
        try:
            while True:
                message = await self._stream.receive()
                assert not isinstance(message, Ready), "the job server starts once"
                answer = self._waiting.get(message.id)
                if answer is not None and not answer.done():
                    answer.set_result(message)
        except (EOFError, OSError, msgspec.DecodeError):
            await self.end()

    def _fail(self) -> None:
        self._lost = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ServerLost("the job server ended before the job did"))


async def start_server(functions: Sequence[str], warm_up: Sequence[str], user: str) -> JobServer:
    """Start a server and wait until it is warm. Raises `ServerLost`."""
    ours, theirs = socket.socketpair()
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", _MODULE,
            stdin=theirs.fileno(), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            env={}, cwd="/", start_new_session=True,
        )  # fmt: skip
    except OSError as failed:
        ours.close()
        raise ServerLost(f"the job server could not be started: {failed}") from failed
    finally:
        theirs.close()
    server = JobServer(child, await ChildStream[Down, Up].over(ours, Up))
    await server.warm_up(Start(list(functions), list(warm_up), user, written().release))
    return server
