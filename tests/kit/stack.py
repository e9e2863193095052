"""The whole embedded stack as a test sees it: `visapi up` as a child process, spoken to from outside."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from kit import prepared_data
from visapi.client import Client, operations
from visapi.stack.data_directory import DataDirectory, ReadyFile
from visapi.stack.processes import tail, wait_for
from visapi.stack.supervisor import ProcessState, ProcessView

ECHO = b"""
document: {dsl: '1.0.3', namespace: tests, name: echo, version: '1.0.0'}
do:
  - answer:
      set: {said: "${ .word }"}
"""
OPEN_RATES = {
    "VISAPI_KEY_RATE_PER_S": "100000",
    "VISAPI_KEY_BURST": "100000",
    "VISAPI_TENANT_RATE_PER_S": "100000",
    "VISAPI_TENANT_BURST": "100000",
}
"""Rates that nobody reaches, for tests and measurements of something else."""
_START_S = 90.0
_STOP_S = 60.0


class StackProcess:
    """`visapi up` on a data directory of its own, in `folder` or a new one, which had a start before (`kit.prepared_data`).
    Restartable; `close` removes the data.
    """

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        folder: Path | None = None,
        options: Sequence[str] = (),
        prepared: bool = True,
    ) -> None:
        """Without `prepared` data the first start makes the cluster, and shows the first key."""
        self._options = options
        self._prepared = prepared
        self.folder = folder or Path(tempfile.mkdtemp(prefix="visapi-test-stack-"))
        if folder is None:
            self.folder.chmod(0o711)
        self.data_dir = self.folder / "data"
        self.ready_file = self.folder / "ready.json"
        self.output = self.folder / "up.log"
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("VISAPI_")}
        self._environ |= dict(environ or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def supervisor(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def ready(self) -> ReadyFile:
        return msgspec.json.decode(self.ready_file.read_bytes(), type=ReadyFile)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another `visapi` command on this stack's data directory."""
        return subprocess.run(
            [sys.executable, "-m", "visapi", *arguments, "--data-dir", str(self.data_dir)],
            check=False,
            capture_output=True,
            text=True,
            timeout=_START_S,
            env=self._environ,
        )

    def start(self) -> ReadyFile:
        """Start it and wait until everything answers."""
        if self._prepared and not self.data_dir.exists():
            prepared_data.copy_to(self.data_dir)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "visapi", "up", "--data-dir", str(self.data_dir)),
                    *("--ready-file", str(self.ready_file)),
                    *self._options,
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environ,
            )
        wait_for(self._is_ready, timeout_s=_START_S, what="the embedded stack ready")
        return self.ready

    def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"`visapi up` ended; it said:\n{tail(self.output, 40)}")
        return self.ready_file.exists()

    def processes(self) -> dict[str, ProcessView]:
        """The table of `visapi status`, by name; empty when nothing runs."""
        state = DataDirectory(self.data_dir).state()
        return {view.name: view for view in state.processes} if state else {}

    def wait_restarted(self, name: str, restarts: int, timeout_s: float = 30.0) -> None:
        """Wait until a process is ready again after it was restarted so many times in all."""

        def again() -> bool:
            view = self.processes().get(name)
            return view is not None and view.restarts >= restarts and view.state is ProcessState.READY

        wait_for(again, timeout_s=timeout_s, what=f"{name} restarted")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it as a person would; the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(_STOP_S)

    def wait_dead(self) -> None:
        """Wait for the end of a supervisor that was killed; what its ready file says is no longer true."""
        assert self._process is not None
        self._process.wait(_STOP_S)
        self.ready_file.unlink(missing_ok=True)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()
        cluster = (self.data_dir / "postgres").resolve()
        shutil.rmtree(cluster, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def echo(self, word: str) -> object:
        """Run a workflow that says `word` again, and wait for its output."""
        with Client(self.ready.gateway, self.ready.api_key) as client:
            client.send(operations.deploy(ECHO, operations.YAML))
            body = msgspec.json.encode({"word": word})
            run = client.send(operations.start_run("tests", "echo", body, idempotency_key=word, wait_s=20))
            return msgspec.json.decode(run.output)
