"""Renders templates in a process of their own, replaced when it dies, hangs or grows old."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from typing import Any

import msgspec

from visapi_common.core.errors import ProblemError
from visapi_notifier.core.template_limits import (
    DEADLINE_S,
    OUTPUT_MAX_CHARS,
    RENDERS_MAX,
    SOURCE_MAX_CHARS,
)

_LINE_MAX = OUTPUT_MAX_CHARS * 16
_START_S = 10.0


class _Answer(msgspec.Struct):
    parts: dict[str, str] = {}
    error: str | None = None


class TemplateProcess:
    """One rendering at a time; renderings take about a millisecond."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._process: Process | None = None
        self._renders = 0
        self._decode = msgspec.json.Decoder(_Answer).decode

    async def render(self, sources: dict[str, str], data: Any) -> dict[str, str]:
        """Each part rendered with `data`. Raises `ProblemError` that names the part and the mistake."""
        for name, source in sources.items():
            if len(source) > SOURCE_MAX_CHARS:
                raise ProblemError(
                    "template_too_large", f"/template/{name}: at most {SOURCE_MAX_CHARS} characters"
                )
        order = msgspec.json.encode({"sources": sources, "data": data}) + b"\n"
        async with self._lock:
            answer = await self._ask(order)
        if answer.error is not None:
            raise ProblemError("template_failed", answer.error)
        return answer.parts

    async def close(self) -> None:
        """End the process."""
        async with self._lock:
            await self._end()

    async def _ask(self, order: bytes) -> _Answer:
        process = await self._ready()
        self._renders += 1
        try:
            async with asyncio.timeout(DEADLINE_S):
                line = await self._exchange(process, order)
        except TimeoutError:
            await self._end()
            return _Answer(error=f"/template: not rendered within {DEADLINE_S:g} s; it does too much")
        except BaseException:
            await self._end()
            raise
        if not line:
            await self._end()
            return _Answer(error="/template: rendering needed more memory than a template may use")
        return self._decode(line)

    async def _exchange(self, process: Process, order: bytes) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(order)
            await process.stdin.drain()
            return await process.stdout.readline()
        except (ConnectionError, ValueError):
            return b""  # it died, or its line is longer than any allowed output

    async def _ready(self) -> Process:
        if self._process is not None and (
            self._process.returncode is not None or self._renders >= RENDERS_MAX
        ):
            await self._end()
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "visapi_notifier.adapters.template_child",
                stdin=PIPE,
                stdout=PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
                limit=_LINE_MAX,
            )
            self._renders = 0
            async with asyncio.timeout(_START_S):
                await self._exchange(self._process, b'{"sources": {}}\n')
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
