"""Run the embedded stack in the foreground: one readable line per event, signals, a clean end."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from visapi.cli.output import FAILURE, console, errors
from visapi.stack.data_directory import DataDamagedError, DataInUseError, ReadyFile
from visapi.stack.embedded import EmbeddedStack, PortTakenError, StackOptions
from visapi.stack.environment import UnknownSettingError
from visapi.stack.processes import ProcessSpec
from visapi.stack.supervisor import Notice, StartFailedError

REFUSALS = (DataInUseError, DataDamagedError, PortTakenError, UnknownSettingError, StartFailedError, OSError)
"""What ends a start with one clear line instead of a traceback."""

_PLAIN_WIDTH = 13
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def print_notice(notice: Notice, *, to: Console | None = None) -> None:
    """One line, such as `12:00:01  gateway  ready after 1.2 s`."""
    moment = time.strftime("%H:%M:%S")
    style = "yellow" if notice.trouble else ""
    line = Text.assemble(
        (moment, "dim"), "  ", (notice.process.ljust(_PLAIN_WIDTH), "bold"), " ", (notice.text, style)
    )
    (to or console()).print(line)


class Interruption:
    """The first Ctrl-C or SIGTERM asks for an orderly end, the second ends everything at once."""

    def __init__(self, kill: Callable[[], None]) -> None:
        self.asked = asyncio.Event()
        self._kill = kill

    def install(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, self._signalled)

    def finish(self) -> None:
        """Everything is stopped: a signal that comes late must not turn a clean end into a killed one."""
        for number in _ENDING:
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def _signalled(self) -> None:
        if self.asked.is_set():
            self._kill()
        self.asked.set()


@contextlib.asynccontextmanager
async def running_stack(
    stack: EmbeddedStack, interruption: Interruption, extras: Sequence[ProcessSpec] = ()
) -> AsyncGenerator[ReadyFile | None]:
    """The started stack; `None` when it was interrupted while starting. Always stopped at the end."""
    stack.reserve()
    asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, stack.reap)
    start = asyncio.ensure_future(stack.start(extras))
    waiter = asyncio.ensure_future(interruption.asked.wait())
    try:
        await asyncio.wait({start, waiter}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            yield start.result()
        else:
            start.cancel()
            await asyncio.wait({start})
            yield None
    finally:
        waiter.cancel()
        await stack.stop()
        stack.reap()


async def run_stack(options: StackOptions, extras: Sequence[ProcessSpec] = ()) -> int:
    """Start, tell where, wait for a signal, stop. Answers the exit code."""
    out = console()
    stack = EmbeddedStack(options, lambda notice: print_notice(notice, to=out))
    interruption = Interruption(stack.kill)
    interruption.install()
    began = time.monotonic()
    try:
        async with running_stack(stack, interruption, extras) as ready:
            if ready is not None:
                _greet(out, stack, ready, time.monotonic() - began)
                await interruption.asked.wait()
            print_notice(Notice("stack", "stopping; Ctrl-C again ends everything at once"), to=out)
    except REFUSALS as error:
        errors().print_error(str(error))
        return FAILURE
    interruption.finish()
    print_notice(Notice("stack", f"stopped; the data stays in {stack.data.root}"), to=out)
    return 0


def _greet(out: Console, stack: EmbeddedStack, ready: ReadyFile, took_s: float) -> None:
    print_notice(Notice("stack", f"everything answers after {took_s:.1f} s"), to=out)
    out.print()
    known = not stack.first_start
    for name, value in (
        ("Gateway", ready.gateway),
        ("API reference", f"{ready.gateway}/docs"),
        ("API key", without_secret(ready.api_key) if known else ready.api_key),
        ("NATS for workers", without_password(ready.nats) if known else ready.nats),
        ("Logs", str(stack.data.root / "logs")),
    ):
        out.print(Text.assemble((f"  {name:<18}", "dim"), value))
    out.print()
    announced = "are shown this once" if not known else "were shown at the first start"
    out.print(
        Text(
            f"  The key and the password {announced}. They are kept in {stack.data.root / 'api-key'} and "
            "secrets.json (mode 0600); `visapi key create` makes another key.",
            "dim",
        )
    )
    out.print()


def without_secret(key: str) -> str:
    """A key of which its kind and id can be read and its secret cannot."""
    return f"{key.rpartition('_')[0]}_…"


def without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.username}:…@{parts.hostname}:{parts.port}"
