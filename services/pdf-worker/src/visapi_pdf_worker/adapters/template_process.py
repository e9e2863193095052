"""Keeps the template process: started at the first template, replaced when it dies or hangs."""

import asyncio
import struct
import sys
from typing import Any

import msgspec

from visapi_common.core.errors import ProblemError, TransientFault
from visapi_pdf_worker.adapters import template_child
from visapi_pdf_worker.core.document import InlineTemplate

_DEADLINE_S = 12.0
"""Above the 10 s that the process itself allows a template."""
_FRAME_MAX = 64 * 1024 * 1024


class TemplateProcess:
    """Renders templates one after the other; `user` is whom the process becomes, empty for nobody else."""

    def __init__(self, user: str) -> None:
        self._user = user
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def render(self, template: str | InlineTemplate, data: Any) -> str:
        """The HTML. Raises `ProblemError` for what is wrong with the template or its data."""
        inline = isinstance(template, InlineTemplate)
        work = template_child.Work(None if inline else template, template.source if inline else None, data)
        async with self._turn:
            frame = await self._exchange(msgspec.json.encode(work))
        done = msgspec.json.decode(frame, type=template_child.Done)
        if done.html is None:
            raise ProblemError(done.code or "template_failed", f"template: {done.detail}", status=422)
        return done.html

    async def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def _exchange(self, body: bytes) -> bytes:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        whole = False
        try:
            async with asyncio.timeout(_DEADLINE_S):
                process.stdin.write(struct.pack(">I", len(body)) + body)
                await process.stdin.drain()
                (length,) = struct.unpack(">I", await process.stdout.readexactly(4))
                assert length <= _FRAME_MAX
                answer = await process.stdout.readexactly(length)
            whole = True
            return answer
        except TimeoutError as error:
            raise ProblemError(
                "template_limits", "template: stopped, it took too long", status=422
            ) from error
        except (OSError, asyncio.IncompleteReadError) as error:
            raise TransientFault("the template process ended") from error
        finally:
            if not whole:
                await asyncio.shield(self.stop())

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                template_child.__name__,
                self._user,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={},
                limit=1 << 20,
                start_new_session=True,
            )
        return self._process
