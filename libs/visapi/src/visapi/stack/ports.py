"""Choose loopback ports: the usual one when it is free, the one used last, else any."""

import socket
import sys
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def any_free() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


class Reservation:
    """Ports that no other stack of this machine will choose until `release` or the process's end.

    A port is free until its server listens, and two stacks that start at once would both take it.
    Therefore each holds an abstract Unix socket named after the port (`unix(7)`, Linux; elsewhere
    nothing is held and the second stack has to be started again).
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket | None] = {}

    def choose(self, usual: Mapping[str, int]) -> dict[str, int]:
        """A free port for every name: its usual one where possible, no port twice."""
        return {name: port if self._take(port) else self.any() for name, port in usual.items()}

    def any(self) -> int:
        """Some free port."""
        while not self._take(port := any_free()):
            continue
        return port

    def release(self) -> None:
        for held in self._held.values():
            if held is not None:
                held.close()
        self._held.clear()

    def _take(self, port: int) -> bool:
        if port in self._held or not is_free(port):
            return False
        if sys.platform != "linux":
            self._held[port] = None
            return True
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            mark.bind(f"\0visapi-port-{port}")
        except OSError:
            mark.close()
            return False
        self._held[port] = mark
        return True


def answers(port: int, timeout_s: float = 0.5) -> bool:
    """Whether somebody accepts connections on this loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_s):
            return True
    except OSError:
        return False
