"""HAProxy before the gateways: who gets new requests is switched at run time, as a load balancer does it.

The configuration is the one of docs/how-to/upgrade-and-roll-back.md: servers are named beforehand, all in
maintenance, and their states are set over the administration socket, so that nobody's connection is reset.
"""

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from kit.servers import RunningProcess
from visapi.stack.ports import LOOPBACK
from visapi.stack.processes import ProcessSpec

_CONFIGURATION = """
global
    stats socket {socket} mode 600 level admin
defaults
    mode http
    timeout connect 2s
    timeout client 120s
    timeout server 120s
    timeout http-keep-alive 60s
frontend api
    bind {address}
    default_backend gateways
backend gateways
    balance roundrobin
    http-reuse safe
{servers}
"""
_ANSWER_BYTES = 65536


def program() -> str | None:
    """HAProxy's program; Debian keeps it where only root's PATH leads."""
    return shutil.which("haproxy", path=f"{Path('/usr/sbin')}:{Path('/usr/local/sbin')}") or shutil.which(
        "haproxy"
    )


class Balancer:
    """One frontend; each gateway has a place (`blue-1`, …) with a port of its own."""

    def __init__(self, folder: Path, port: int, places: Mapping[str, int]) -> None:
        found = program()
        assert found is not None, "the upgrade test needs HAProxy: apt-get install haproxy"
        self.url = f"http://{LOOPBACK}:{port}"
        self._socket = folder / "haproxy.sock"
        servers = "\n".join(f"    server {name} {LOOPBACK}:{at} disabled" for name, at in places.items())
        text = _CONFIGURATION.format(socket=self._socket, address=f"{LOOPBACK}:{port}", servers=servers)
        configuration = folder / "haproxy.cfg"
        configuration.write_text(text, encoding="utf-8")
        spec = ProcessSpec(
            name="haproxy",
            argv=(found, "-db", "-f", str(configuration)),
            env={"PATH": "/usr/bin:/bin"},
            cwd=folder,
            log=folder / "haproxy.log",
            ready=self._answers,
            ports={"http": port},
        )
        self._process = RunningProcess(spec)

    def start(self) -> None:
        self._process.start()

    def stop(self) -> None:
        self._process.stop()

    def open(self, place: str) -> None:
        """New requests go there, too."""
        self._say(f"set server gateways/{place} state ready")

    def close(self, place: str) -> None:
        """No new request goes there; what is open goes on."""
        self._say(f"set server gateways/{place} state maint")

    def sessions(self, place: str) -> int:
        """Requests that are open at this place."""
        for line in self._say("show stat").splitlines():
            fields = line.split(",")
            if fields[:2] == ["gateways", place]:
                return int(fields[4])
        raise AssertionError(f"HAProxy knows no server {place}")

    def _say(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(self._socket))
            connection.sendall(f"{command}\n".encode())
            answer = b""
            while part := connection.recv(_ANSWER_BYTES):
                answer += part
        return answer.decode()

    async def _answers(self) -> bool:
        try:
            self._say("show info")
        except OSError:
            return False
        return True
