"""NATS servers under configurations that a test writes itself: accounts, TLS, credentials, clusters."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kit.servers import RunningProcess
from visapi.stack import nats
from visapi.stack.ports import LOOPBACK, Reservation
from visapi.stack.processes import ProcessSpec


class ConfiguredNats:
    """One server. `{folder}` and `{port}` of the configuration are filled in; JetStream has its store there."""

    def __init__(self, config: str, *, port: int | None = None, env: Mapping[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="visapi-test-nats-"))
        self._ports = Reservation()
        self.port = port or self._ports.any()
        file = self._file = self.folder / "nats.conf"
        self._write(config)
        self._log = self.folder / "nats.log"
        self._process = RunningProcess(
            ProcessSpec(
                name="nats",
                argv=(str(nats.program()), "--config", str(file)),
                env={"PATH": "/usr/bin:/bin", "TZ": "UTC", **(env or {})},
                cwd=self.folder,
                log=self._log,
                ready=self._ready,
                ports={"nats": self.port},
                stop_s=5.0,
            )
        )
        self._starts = 0

    async def _ready(self) -> bool:
        return self._log.read_text(errors="replace").count("Server is ready") >= self._starts

    def url(self, user: str = "", password: str = "", *, scheme: str = "nats") -> str:
        who = f"{user}:{password}@" if user else ""
        return f"{scheme}://{who}{LOOPBACK}:{self.port}"

    def start(self) -> None:
        self._starts += 1
        self._process.start()

    def restart_with(self, config: str) -> None:
        """Another configuration; connections are lost."""
        self.kill()
        self._write(config)
        self.start()

    def _write(self, config: str) -> None:
        text = config.replace("{folder}", str(self.folder)).replace("{port}", str(self.port))
        self._file.write_text(f'listen: "{LOOPBACK}:{self.port}"\n{text}')

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._ports.release()
        shutil.rmtree(self.folder, ignore_errors=True)
