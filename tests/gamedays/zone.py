"""A second zone: a network namespace with one process of each service, whose cables can be pulled.

Two networks lead into the zone. Over the back one its services reach PostgreSQL and NATS; over the front one clients,
Prometheus and the receivers of effects are reached. Both are bridges of this machine. To pull a cable is to take its port
off the bridge: the interface stays up and knows all its neighbours, so packets get lost in silence, new connections among
them, and nobody is told.

It takes root and iproute2. Names and addresses hold the process id, so that two drills do not meet.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from alerts.receivers import Loop
from gamedays.relay import Relay
from visapi.stack.ports import LOOPBACK
from visapi.stack.processes import wait_for
from visapi.stack.services import SERVICES

_READY_S = 60.0
_STOP_S = 30.0
_METRICS_PORT = 9100


def why_not() -> str:
    """Why this machine cannot have a zone; empty when it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "there is no `ip`: apt-get install iproute2"
    probe = f"visapi{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True, text=True)
    if made.returncode != 0:
        return f"no network namespace can be made: {made.stderr.strip()}"
    _ip("netns", "del", probe)
    return ""


class Cable:
    """A pair of interfaces between a bridge of the machine and the zone."""

    def __init__(self, name: str, number: int) -> None:
        mark = os.getpid() % 10_000
        self._bridge = f"vb{number}-{mark}"
        self._port = f"vp{number}-{mark}"
        self._inner = name
        self.outside = f"10.{100 + mark % 100}.{number}.1"
        self.inside = f"10.{100 + mark % 100}.{number}.2"
        self._hardware = f"02:00:00:{mark // 256:02x}:{mark % 256:02x}:{number:02x}"

    def lay(self, namespace: str) -> None:
        # A bridge without an address of its own takes that of a port, and would change it with the port.
        _ip("link", "add", self._bridge, "address", self._hardware, "type", "bridge")
        _ip("addr", "add", f"{self.outside}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        _ip("link", "add", self._port, "type", "veth", "peer", "name", self._inner, "netns", namespace)
        _ip("link", "set", self._port, "up")
        _ip("-n", namespace, "addr", "add", f"{self.inside}/24", "dev", self._inner)
        _ip("-n", namespace, "link", "set", self._inner, "up")
        self.plug()
        # Known for good: a neighbour that is asked for in vain would be told to programs as "no route to host".
        own = _ip("-n", namespace, "link", "show", self._inner).split("link/ether ", 1)[1].split()[0]
        for where, other, hardware, interface in (
            ([], self.inside, own, self._bridge),
            (["-n", namespace], self.outside, self._hardware, self._inner),
        ):
            _ip(*where, "neigh", "replace", other, "lladdr", hardware, "dev", interface, "nud", "permanent")

    def pull(self) -> None:
        _ip("link", "set", self._port, "nomaster")

    def plug(self) -> None:
        _ip("link", "set", self._port, "master", self._bridge)

    def remove(self) -> None:
        for interface in (self._port, self._bridge):
            subprocess.run(["ip", "link", "del", interface], check=False, capture_output=True)


class Zone:
    """See the module's docstring."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._namespace = f"visapi-zone-{os.getpid()}"
        self.back = Cable("back", 1)
        self.front = Cable("front", 2)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._relays: list[Relay] = []

    def build(self) -> None:
        _ip("netns", "add", self._namespace)
        _ip("-n", self._namespace, "link", "set", "lo", "up")
        for cable in (self.back, self.front):
            cable.lay(self._namespace)

    def reach(self, loop: Loop, cable: Cable, *ports: int) -> None:
        """Let the zone reach these ports of the machine's loopback interface at the cable's outer address."""
        for port in ports:
            relay = Relay(cable.outside, port)
            loop.run(relay.start())
            self._relays.append(relay)

    def serve(self, originals: dict[str, int]) -> None:
        """Start one more process of each service, with the settings of the first (its process id is given)."""
        for name in SERVICES:
            environ = self._settings(psutil.Process(originals[name]).environ())
            with (self._folder / f"zone-{name}.log").open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    ["ip", "netns", "exec", self._namespace, sys.executable, "-m", f"visapi_{name.replace('-', '_')}"],
                    env=environ, stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
        for name in SERVICES:
            wait_for(lambda of=name: self._is_ready(of), timeout_s=_READY_S, what=f"{name} of the zone ready")

    @property
    def gateway(self) -> str:
        return f"http://{self.front.inside}:{self._ports['gateway'][1]}"

    @property
    def metrics(self) -> dict[str, str]:
        """Where each service shows its metrics."""
        return {name: f"http://{self.front.inside}:{port}" for name, (port, _) in self._ports.items()}

    @property
    def _ports(self) -> dict[str, tuple[int, int]]:
        """The ports of metrics and of HTTP; nobody else is in the namespace, so any will do."""
        return {name: (_METRICS_PORT + number, 8080) for number, name in enumerate(SERVICES)}

    def stop(self) -> None:
        """End the services."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def remove(self, loop: Loop) -> None:
        """Everything that was built."""
        self.stop()
        for relay in self._relays:
            loop.run(relay.stop())
        for cable in (self.back, self.front):
            cable.remove()
        subprocess.run(["ip", "netns", "del", self._namespace], check=False, capture_output=True)

    def _settings(self, environ: dict[str, str]) -> dict[str, str]:
        moved = {
            name: value.replace(f"@{LOOPBACK}:", f"@{self.back.outside}:") if name in _STORES else value
            for name, value in environ.items()
        }
        name = next(each for each in SERVICES if environ["VISAPI_NATS_URL"].startswith(f"nats://{each}:"))
        metrics, http = self._ports[name]
        moved |= {"VISAPI_METRICS_HOST": self.front.inside, "VISAPI_METRICS_PORT": str(metrics)}
        # Prometheus of another namespace has no account here that could be known.
        moved.pop("VISAPI_METRICS_TOKEN", None)
        if "VISAPI_HTTP_HOST" in moved:
            moved |= {"VISAPI_HTTP_HOST": self.front.inside, "VISAPI_HTTP_PORT": str(http)}
        return moved

    def _is_ready(self, name: str) -> bool:
        if self._processes[name].poll() is not None:
            log = (self._folder / f"zone-{name}.log").read_text("utf-8", "replace")
            raise RuntimeError(f"{name} of the zone ended; its log ends:\n{log[-2000:]}")
        try:
            return httpx.get(f"{self.metrics[name]}/readyz", timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


_STORES = ("VISAPI_POSTGRES_URL", "VISAPI_NATS_URL")


@contextlib.contextmanager
def zone(folder: Path, loop: Loop) -> Iterator[Zone]:
    """A zone with its cables, and nothing in it yet; taken away at the end."""
    made = Zone(folder)
    try:
        made.build()
        yield made
    finally:
        made.remove(loop)


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
