"""A stand-in that answers HTTP requests, fails on demand, and records accepted requests."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from visapi.stack.ports import LOOPBACK
from visapi.stack.standins.faults import FaultScript
from visapi.stack.standins.http_server import HttpServer, Request, Response
from visapi.stack.standins.recording import Recorder


class RecordingServer(ABC):
    """See the module's docstring. With `out`, records are also appended to that file."""

    def __init__(self, out: Path | None = None) -> None:
        self._recorder = Recorder(out)
        self._server = HttpServer(self._answer)
        self.faults = FaultScript()
        self.url = ""

    @property
    def received(self) -> list[dict[str, Any]]:
        """The records, in order."""
        return self._recorder.records

    async def start(self, port: int = 0, host: str = LOOPBACK) -> str:
        self.url = await self._server.start(port, host)
        return self.url

    async def stop(self) -> None:
        await self._server.stop()
        self._recorder.close()

    def record(self, record: dict[str, Any]) -> None:
        self._recorder.append(record)

    @abstractmethod
    async def _answer(self, request: Request) -> Response: ...
