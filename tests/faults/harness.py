"""A stack of its own for fault runs: real processes, real receivers, kill -9 from outside."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import psutil

from faults.receivers import Receivers
from kit.poison import orchestrators_url
from kit.stack import OPEN_RATES, StackProcess
from visapi.stack.ports import any_free
from visapi.stack.processes import wait_for
from visapi.stack.supervisor import ProcessState

_HERE = Path(__file__).parent
_BACK_S = 60.0


class FaultStack:
    """The embedded stack under test, what it sends to, and how it is harmed."""

    def __init__(self, folder: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        """`folder` may hold prepared data; `settings` are of every service."""
        self._folder = folder
        self._settings = dict(settings or {})
        self.receivers = Receivers()
        self.faults: list[float] = []
        """When each fault struck, in Unix seconds."""
        self.letters = Counter[str]()
        """Dead letters that the poison planted so far is to leave, by reason."""
        self.ledger_url = ""
        """The database as the orchestrator reaches it; poison is planted there."""
        self._stack: StackProcess | None = None

    async def start(self) -> None:
        """Start everything; blocking calls run while nothing else needs the loop."""
        await self.receivers.start()
        smtp_url = self.receivers.smtp_url
        own = {"VISAPI_SMTP_URL": smtp_url, "VISAPI_EGRESS_ALLOW": "127.0.0.0/8"}
        self._stack = StackProcess({**os.environ, **OPEN_RATES, **own, **self._settings}, folder=self._folder)
        self._stack.start()
        self.ledger_url = orchestrators_url(self._serving("orchestrator"))

    async def stop(self) -> None:
        if self._stack is not None:
            self._stack.close()
        await self.receivers.stop()

    @property
    def stack(self) -> StackProcess:
        assert self._stack is not None
        return self._stack

    def forget(self) -> None:
        """Begin another fault on the same stack: what came before is judged already."""
        self.faults.clear()
        self.receivers.forget()

    def log(self, name: str) -> str:
        """What a process has written so far."""
        return (self.stack.data_dir / "logs" / f"{name}.log").read_text("utf-8", "replace")

    # ---- faults; they block, the load runs in another thread's loop

    def kill(self, name: str) -> None:
        """`kill -9` of one process of the stack, once it serves."""
        process = self._serving(name)
        self.faults.append(time.time())
        os.kill(process, signal.SIGKILL)

    def wipe_nats(self) -> None:
        """Take NATS's whole store away, then `kill -9` it: it comes back knowing nothing."""
        process = self._serving("nats")
        for store in self.stack.data_dir.glob("nats/**/jetstream"):
            store.rename(store.with_name(f"jetstream.lost-{time.monotonic_ns()}"))
        self.faults.append(time.time())
        os.kill(process, signal.SIGKILL)

    def pause(self, name: str, seconds: float) -> None:
        """SIGSTOP, then SIGCONT: a process that thinks it is still the owner."""
        process = self._serving(name)
        self.faults.append(time.time())
        os.kill(process, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(process, signal.SIGCONT)

    @contextlib.contextmanager
    def replica(self, name: str, environ: Mapping[str, str] | None = None) -> Iterator[int]:
        """A second process of a service, with the settings of the first, `environ` and a metrics port of its own, which is
        given.
        """
        port = any_free()
        environment = psutil.Process(self._serving(name)).environ() | dict(environ or {})
        environment["VISAPI_METRICS_PORT"] = str(port)
        with (self.stack.data_dir / "logs" / f"{name}-replica.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"visapi_{name.replace('-', '_')}"],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield port
        finally:
            process.terminate()
            try:
                process.wait(_BACK_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def _serving(self, name: str) -> int:
        """The process, once it is ready."""

        def ready() -> bool:
            view = self.stack.processes().get(name)
            return view is not None and view.pid is not None and view.state is ProcessState.READY

        wait_for(ready, timeout_s=_BACK_S, what=f"{name} ready")
        process = self.stack.processes()[name].pid
        assert process is not None
        return process


@contextlib.asynccontextmanager
async def fault_stack(
    folder: Path | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[FaultStack]:
    """A running stack, taken down at the end."""
    stack = FaultStack(folder, settings)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()


def workflow(name: str) -> bytes:
    """A definition that lies beside this file."""
    return (_HERE / f"{name}.yaml").read_bytes()
