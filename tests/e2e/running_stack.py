"""The embedded stack as a user starts it, for one test: `visapi up` in a folder of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec

_VISAPI = str(Path(sys.executable).with_name("visapi"))
_START_S = 60.0
_STOP_S = 40.0


class RunningStack(msgspec.Struct, frozen=True):
    """What the ready file told."""

    gateway: str
    api_key: str
    nats: str
    metrics: dict[str, str]

    def client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.AsyncClient(base_url=self.gateway, headers=headers, timeout=20, trust_env=False)


async def until(holds: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Wait for a condition; say what was waited for when it does not come."""
    try:
        async with asyncio.timeout(timeout_s):
            while not holds():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited {timeout_s} s for {what}") from None


@asynccontextmanager
async def running_stack(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[RunningStack]:
    """Start the stack with `settings` beside the plain environment; stop it with SIGTERM."""
    ready_file, log = folder / "ready.json", folder / "up.log"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("VISAPI_")}
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            _VISAPI, "up", "--data-dir", str(folder / "data"), "--ready-file", str(ready_file),
            env={**plain, **settings}, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
    try:
        await until(
            lambda: ready_file.exists() or process.returncode is not None,
            timeout_s=_START_S,
            what="the stack",
        )
        assert process.returncode is None, f"the stack did not come up:\n{log.read_text()[-4000:]}"
        yield msgspec.json.decode(ready_file.read_bytes(), type=RunningStack)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(_STOP_S):
                await process.wait()
