"""A stack with backups, a client that remembers what was accepted, and the loss and return of everything."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Self

import asyncpg
import httpx
import psutil

from drills.fingerprints import fingerprints
from faults.checker import Observation
from faults.harness import FaultStack, workflow
from faults.watching import Watched
from kit.servers import RunningProcess
from kit.waiting import eventually
from visapi.stack import postgres
from visapi.stack.data_directory import DataDirectory
from visapi.stack.ports import Reservation

_PER_SECOND = 8
_SETTLE_S = 120.0
_COMMAND_S = 120.0


class Drill(Watched):
    """One stack, its folder of backups, and the runs that a client started on it."""

    def __init__(self, stack: FaultStack) -> None:
        super().__init__(_client(stack), stack.receivers)
        self._stack = stack
        self._data = DataDirectory(stack.stack.data_dir)
        self._backups = stack.stack.folder / "backups"
        self._log: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._target = ""
        self.accepted_at: dict[str, float] = {}
        """When each run was accepted, on the monotonic clock."""
        self.told: dict[str, float | int] = {}
        self._destroyed_at = 0.0
        self._began_restore = 0.0

    @property
    def superuser_url(self) -> str:
        port = self._stack.stack.processes()["postgres"].ports["postgres"]
        return f"postgresql://{postgres.SUPERUSER}:{self._superuser_password}@127.0.0.1:{port}/visapi"

    @property
    def _superuser_password(self) -> str:
        return self._data.secrets().postgres[postgres.SUPERUSER]

    async def __aenter__(self) -> Self:
        self._receive_log()
        answer = await self._client.post(
            "/v1/workflows", content=workflow("workflow"), headers={"Content-Type": "application/yaml"}
        )
        assert answer.status_code in (200, 201), answer.text
        at = answer.json()
        self._target = f"/v1/workflows/{at['namespace']}/{at['name']}/runs"
        await eventually(lambda: list(self._backups.glob("wal/*.partial")), what="the log is received")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._log is not None and self._log.poll() is None:
            self._log.kill()
            self._log.wait()
        await self._client.aclose()

    def _receive_log(self) -> None:
        """In the main thread: the kernel ends a child when the thread that forked it ends."""
        self._log = subprocess.Popen(self._command("log", str(self._backups)), env=self._environ())

    # ---- before

    @contextlib.asynccontextmanager
    async def load(self, count: int) -> AsyncGenerator[None]:
        """Runs start evenly while the body is at work, which begins in their middle."""
        reached = len(self.accepted) + count // 2
        starting = asyncio.create_task(self._start(count))
        try:
            await eventually(lambda: starting.done() or len(self.accepted) >= reached)
            yield
        finally:
            await starting

    async def _start(self, count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                self._number += 1
                group.create_task(self._one(self._number))
                await asyncio.sleep(1 / _PER_SECOND)

    async def _one(self, number: int) -> None:
        body = {"number": number, "hook": self._receivers.hook_url}
        answer = await self._client.post(
            self._target, json=body, headers={"Idempotency-Key": f"restore-{number}"}
        )
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        run = str(answer.json()["id"])
        self.accepted.add(run)
        self.accepted_at[run] = time.monotonic()

    async def copy(self) -> None:
        began = time.monotonic()
        await self._visapi("copy", str(self._backups))
        self.told["copy s"] = round(time.monotonic() - began, 1)

    async def known_runs(self, still: Any) -> frozenset[str]:
        """The runs that the ledger knows at this moment."""
        rows = await still.fetch("select id from visapi.runs union select id from visapi.runs_done")
        return frozenset(str(row["id"]) for row in rows)

    # ---- the loss

    async def destroy(self) -> None:
        """`kill -9` of everything at once; then PostgreSQL's files and NATS's are gone. The artifact store and the
        secrets are kept elsewhere and survive.
        """
        assert self._log is not None
        supervisor = psutil.Process(self._stack.stack.supervisor)
        everything = [*supervisor.children(recursive=True), psutil.Process(self._log.pid), supervisor]
        self._destroyed_at = time.monotonic()
        for process in everything:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        self._log.wait()
        self._stack.stack.wait_dead()
        await eventually(lambda: not any(process.is_running() for process in everything))
        shutil.rmtree((self._data.root / "postgres").resolve())
        shutil.rmtree(self._data.root / "nats")

    # ---- the way back

    async def restored_elsewhere(self) -> dict[str, float | int]:
        """What a restore to the end of the log loses, tried beside on another data directory."""
        other = self._stack.stack.folder / "other"
        DataDirectory(other).create()
        shutil.copy(self._data.root / "secrets.json", other)
        try:
            report = await self._report("--no-hold", data=other)
        finally:
            shutil.rmtree((other / "postgres").resolve(), ignore_errors=True)
        lost = report["ledger"]["lost"]
        first = min((self.accepted_at[run] for run in lost), default=self._destroyed_at)
        return {"lost at the end of the log": len(lost), "RPO s": round(self._destroyed_at - first, 3)}

    async def restore(self, point: str) -> Any:
        self._began_restore = time.monotonic()
        report = await self._report("--to-name", point)
        self.told["restore s"] = round(time.monotonic() - self._began_restore, 1)
        self.told |= {"accepted": len(self.accepted), "lost by name": len(report["ledger"]["lost"])}
        self.told["stray artifacts"] = len(report["artifacts"]["strays"])
        return report

    async def _report(self, *options: str, data: Path | None = None) -> Any:
        log = self._stack.stack.folder / "accepted.log"
        log.write_text("".join(f"{run}\n" for run in sorted(self.accepted)), encoding="utf-8")
        answer = await self._visapi(
            *("restore", str(self._backups), "--accepted", str(log), "--json", *options), data=data
        )
        return json.loads(answer)

    async def fingerprints_restored(self) -> dict[str, str]:
        """Of the restored cluster, before any service has touched it."""
        ports = Reservation()
        server = postgres.prepare(
            self._data.root,
            port=ports.any(),
            passwords=self._data.secrets().postgres,
            log=self._data.log("postgres"),
        )
        process = RunningProcess(server.spec())
        await asyncio.to_thread(process.start)
        try:
            connection: Any = await asyncpg.connect(server.url(postgres.SUPERUSER))
            try:
                return await fingerprints(connection)
            finally:
                await connection.close()
        finally:
            await asyncio.to_thread(process.stop)
            ports.release()

    async def start_again(self) -> None:
        await asyncio.to_thread(self._stack.stack.start)
        self.told["RTO s"] = round(time.monotonic() - self._began_restore, 1)
        await self._client.aclose()
        self._client = _client(self._stack)

    async def settled(self, known: frozenset[str]) -> set[str]:
        """Wait until the runs that are known ended or are held; those that are held."""
        self.accepted = set(known)
        await self.settle(timeout_s=_SETTLE_S)
        return await self._held()

    async def seen(self, known: frozenset[str]) -> Observation:
        """What can be known of these runs: what lost runs did is no business of theirs."""
        seen = await self.observe()
        seen.webhooks = [each for each in seen.webhooks if each.run in known]
        seen.mails = [each for each in seen.mails if each.run in known]
        return seen

    async def decide(self) -> dict[str, int]:
        """What an operator does with each held mail: look for it in the outbox, and say so."""
        sent = {mail.run for mail in self._receivers.sent_mails()}
        decided = {"happened": 0, "retry": 0}
        async for letter in self._items("/v1/dead-letters?resolved=false&limit=200"):
            decision = "happened" if str(letter["run"]) in sent else "retry"
            answer = await self._client.post(
                f"/v1/dead-letters/{letter['id']}/resolve", json={"decision": decision}
            )
            assert answer.is_success, answer.text
            decided[decision] += 1
        return decided

    async def _visapi(self, *arguments: str, data: Path | None = None) -> str:
        """What `visapi backup …` prints."""

        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                self._command(*arguments), env=self._environ(data), capture_output=True, text=True,
                timeout=_COMMAND_S, check=False,
            )  # fmt: skip

        done = await asyncio.to_thread(run)
        assert done.returncode == 0, f"visapi backup {arguments} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def _command(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, "-m", "visapi", "backup", *arguments]

    def _environ(self, data: Path | None = None) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VISAPI_")}
        return {
            **clean,
            "VISAPI_DATA_DIR": str(data or self._data.root),
            "VISAPI_ARTIFACTS_URL": self._data.artifacts.as_uri(),
        }


def _client(stack: FaultStack) -> httpx.AsyncClient:
    ready = stack.stack.ready
    headers = {"Authorization": f"Bearer {ready.api_key}"}
    return httpx.AsyncClient(base_url=ready.gateway, headers=headers, timeout=30, trust_env=False)
