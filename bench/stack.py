"""The embedded stack as the benchmark uses it: started by its own command, driven from outside."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import psutil

from bench.http_load import LoadResult, request_bytes
from kit.stack import OPEN_RATES
from kit.tenants import make_tenant
from visapi.stack.data_directory import DataDirectory

_START_S = 180.0
_VISAPI = str(Path(sys.executable).with_name("visapi"))


class BenchStack:
    """A stack in a folder of its own, and the no-op worker beside it."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self._folder = folder
        self._options = options
        self._up: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.key = ""
        self._nats = ""

    def __enter__(self) -> Self:
        ready_file = self._folder / "ready.json"
        arguments = ["up", "--data-dir", str(self._folder / "data"), "--ready-file", str(ready_file)]
        arguments += self._options
        quiet = {"VISAPI_TRACE_SAMPLE": "0.01", "VISAPI_LOG_LEVEL": "warning"}
        environment = {**os.environ, **OPEN_RATES, **quiet}
        with (self._folder / "up.log").open("wb") as log:
            self._up = subprocess.Popen(
                [_VISAPI, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_S
        while not ready_file.exists():
            if self._up.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise SystemExit(
                    f"the stack did not come up:\n{(self._folder / 'up.log').read_text()[-4000:]}"
                )
            time.sleep(0.1)
        ready = msgspec.json.decode(ready_file.read_bytes())
        self.url, self.key, self._nats = ready["gateway"].rstrip("/"), ready["api_key"], ready["nats"]
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._worker, self._up):
            if process is None:
                continue
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()

    def start_worker(
        self, module: str = "bench.noop_worker", settings: Mapping[str, str] | None = None
    ) -> None:
        """A worker, as a user would run it."""
        environment = {**os.environ, "VISAPI_NATS_URL": self._nats, "VISAPI_TENANT": "default"}
        environment |= {"VISAPI_LOG_LEVEL": "warning", "VISAPI_TRACE_SAMPLE": "0.01", **(settings or {})}
        with (self._folder / "worker.log").open("wb") as log:
            self._worker = subprocess.Popen(
                [sys.executable, "-m", module], env=environment, stdout=log, stderr=log
            )

    def deploy(self, document: str) -> None:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/yaml"}
        answer = httpx.post(
            f"{self.url}/v1/workflows",
            content=document.encode(),
            headers=headers,
            trust_env=False,
            timeout=60,
        )
        if answer.status_code not in (200, 201):
            raise SystemExit(f"deploying failed: {answer.text}")

    def start_request(self, workflow: str, body: Any, *, wait_s: int | None = None) -> bytes:
        """A start of `bench/<workflow>`, as bytes to send again and again."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if wait_s is not None:
            headers["Prefer"] = f"wait={wait_s}"
        url = f"{self.url}/v1/workflows/bench/{workflow}/runs"
        return request_bytes(url, "POST", headers, msgspec.json.encode(body))

    def get(self, target: str) -> Any:
        answer = httpx.get(
            self.url + target, headers={"Authorization": f"Bearer {self.key}"}, trust_env=False, timeout=20
        )
        answer.raise_for_status()
        return answer.json()

    def has_runs(self, statuses: tuple[str, ...]) -> bool:
        """Whether any run is in one of these states."""
        return any(self.get(f"/v1/runs?status={status}&limit=1")["items"] for status in statuses)

    def as_tenant(self, tenant: str) -> "BenchStack":
        """The same stack, as another tenant uses it; the tenant and its key are made here."""
        key = make_tenant(self._folder / "data", self.processes()["gateway"], tenant)
        other = BenchStack(self._folder)
        other.url, other.key, other._nats = self.url, key, self._nats
        return other

    def processes(self) -> dict[str, int]:
        """The stack's processes that run, by name, with their ids."""
        state = DataDirectory(self._folder / "data").state()
        return {view.name: view.pid for view in state.processes if view.pid} if state else {}

    def memory_mb(self, process: str | None = None) -> float:
        """PSS of a process and its children, or of all processes of the stack but Chromium and its driver."""
        running = self.processes()
        roots = [running[process]] if process else [*running.values(), self._up.pid if self._up else 0]
        counted: dict[int, float] = {}
        for root in roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                _count(psutil.Process(root), counted)
        return sum(counted.values()) / 1e6


def drain(stack: BenchStack, *statuses: str, timeout_s: float = 120.0) -> None:
    """Wait until no run is in one of these states; without any, until all have ended."""
    left = statuses or ("pending", "running", "waiting")
    deadline = time.monotonic() + timeout_s
    while stack.has_runs(left):
        if time.monotonic() > deadline:
            raise SystemExit(f"runs are still {' or '.join(left)} after {timeout_s:.0f} s")
        time.sleep(0.1)


def must_all_be(load: LoadResult, status: int) -> None:
    """End the benchmark unless every answer had this status."""
    if set(load.statuses) != {status}:
        raise SystemExit(f"expected only {status}, got {load.statuses}")


def _count(process: psutil.Process, counted: dict[int, float]) -> None:
    """Add a process and its children; one that ends meanwhile needs nothing."""
    with contextlib.suppress(psutil.NoSuchProcess):
        name = process.name().lower()
        if process.pid in counted or "chrom" in name or "headless" in name or name.startswith("node"):
            return
        counted[process.pid] = float(process.memory_full_info().pss)
        for child in process.children():
            _count(child, counted)
