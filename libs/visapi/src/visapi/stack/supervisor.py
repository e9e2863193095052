"""Keeps processes running: starts them, watches them, restarts them with backoff, stops them in order.

One task per process (`child`). It must run in the main thread (see `processes`). Whatever a dead process
leaves behind is ended before its successor starts, so that no two generations overlap.
"""

import asyncio
import contextlib
import os
import secrets
import subprocess
from collections.abc import Callable, Collection, Iterable

import msgspec
import psutil

from visapi.stack.child import Child, ProcessState, ProcessView, StartFailedError
from visapi.stack.guardian_process import GuardianProcess
from visapi.stack.members import MARK, mark_of, new_mark
from visapi.stack.processes import ProcessSpec, adopt_orphans, spawn

__all__ = ["Notice", "ProcessState", "ProcessView", "StartFailedError", "Supervisor"]

_ORPHAN_ROUNDS = 8
_ORPHAN_PAUSE_S = 0.02


class Notice(msgspec.Struct, frozen=True):
    """A notice for a person who watches the stack. `trouble` marks a problem."""

    process: str
    text: str
    trouble: bool = False


class Supervisor:
    """See the module's docstring. `notify` hears notices, `changed` every change of the table.

    `stack` names this stack among the processes of the machine; a guardian ends all of them when this
    process dies without having stopped them.
    """

    def __init__(
        self, notify: Callable[[Notice], None], changed: Callable[[], None], *, stack: str | None = None
    ) -> None:
        self._notify = notify
        self._changed = changed
        self._children: dict[str, Child] = {}
        self._mark = new_mark(stack or secrets.token_hex(8))
        self._guardian = GuardianProcess(self._mark)
        adopt_orphans()

    async def start(self, specs: Collection[ProcessSpec]) -> None:
        """Start processes side by side and return when all serve. Raises `StartFailedError`."""
        children = [Child(spec, self) for spec in specs]
        for child in children:
            self._children[child.spec.name] = child
            child.begin()
        await asyncio.gather(*(child.wait_ready() for child in children))

    async def stop(self, names: Collection[str]) -> None:
        """Stop processes side by side and wait until nothing of them is left; unknown names are fine."""
        children = [self._children[name] for name in names if name in self._children]
        await asyncio.gather(*(child.end() for child in children))
        await self.end_orphans()
        if all(child.pid is None for child in self._children.values()):
            self._guardian.dismiss()

    def view(self) -> list[ProcessView]:
        return [child.view() for child in self._children.values()]

    def stores_ready(self) -> bool:
        """Whether what the services depend on in this stack serves now."""
        return all(child.serves for child in self._children.values() if child.spec.store)

    def say(self, process: str, text: str, *, trouble: bool = False) -> None:
        self._notify(Notice(process, text, trouble))

    def update(self) -> None:
        self._changed()

    def kill_all(self) -> None:
        """SIGKILL everything at once, for when stopping in order was refused."""
        for child in self._children.values():
            child.kill()

    async def end_orphans(self) -> None:
        """End what dead processes left behind: adopted children that bear this supervisor's mark."""
        for _ in range(_ORPHAN_ROUNDS):
            known = self._known()
            adopted = [child for child in psutil.Process().children() if child.pid not in known]
            orphans = [child for child in adopted if mark_of(child) == self._mark]
            if not orphans:
                return
            for orphan in orphans:
                with contextlib.suppress(psutil.NoSuchProcess):
                    orphan.kill()
            await asyncio.sleep(_ORPHAN_PAUSE_S)
            _collect(orphan.pid for orphan in orphans)

    def reap(self) -> None:
        """Collect adopted children that ended. Only for a process that starts no others by itself:
        whoever waits for such a child elsewhere would miss its exit code.
        """
        known = self._known()
        _collect(child.pid for child in psutil.Process().children() if child.pid not in known)

    def launch(self, spec: ProcessSpec) -> subprocess.Popen[bytes]:
        """Start a process whose environment, and that of its children, bears the mark."""
        self._guardian.start()
        process = spawn(msgspec.structs.replace(spec, env={**spec.env, MARK: self._mark}))
        self._guardian.watch(process.pid, patient=spec.store)
        return process

    def gone(self, pid: int) -> None:
        self._guardian.forget(pid)

    def _known(self) -> set[int | None]:
        return {self._guardian.pid, *(child.pid for child in self._children.values())}


def _collect(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
