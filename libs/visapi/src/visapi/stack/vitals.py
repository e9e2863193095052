"""Decides when a running process is restarted because of its health. Pure.

As Kubernetes does: a process that answers nothing for `SILENT_S` is restarted (its event loop hangs). One
that answers but is not ready is told at once, and is restarted only when the stores of the stack were ready
all the while: a store that is away is no fault of the services, and restarting them would not bring it back.
"""

from enum import Enum, auto

from visapi.stack.probes import Health

SILENT_S = 10.0
SILENT_PROBES = 3
"""Silent probes in a row at least, so that a supervisor that was stopped itself blames nobody."""
UNREADY_S = 120.0
UNREADY_MAX_S = 3600.0
START_S = 60.0
"""How long a process may be silent after its start."""


class Verdict(Enum):
    FINE = auto()
    SILENT = auto()
    """It does not answer: end it and start it anew."""
    UNREADY = auto()
    """It is not ready although everything that it needs of the stack is: end it and start it anew."""


class Patience:
    """How long a process may stay unready. Doubled by each restart that did not help."""

    def __init__(self) -> None:
        self.unready_s = UNREADY_S

    def spent(self) -> None:
        self.unready_s = min(self.unready_s * 2, UNREADY_MAX_S)

    def restored(self) -> None:
        self.unready_s = UNREADY_S


class Vitals:
    """The signs of life of one process from its start on."""

    def __init__(self, now: float, patience: Patience) -> None:
        self._patience = patience
        self._silent_since: float | None = None
        self._silent_probes = 0
        self._unready_since: float | None = None
        self._spoke = False
        self._started = now

    def judge(self, now: float, health: Health, *, stores_ready: bool) -> Verdict:
        """What follows from a probe that was begun at `now`."""
        if not health.answers:
            return self._silence(now)
        self._spoke = True
        self._silent_since, self._silent_probes = None, 0
        if health.ready:
            self._unready_since = None
            self._patience.restored()
            return Verdict.FINE
        if self._unready_since is None or not stores_ready:
            self._unready_since = now
        if now - self._unready_since < self._patience.unready_s:
            return Verdict.FINE
        self._patience.spent()
        return Verdict.UNREADY

    def _silence(self, now: float) -> Verdict:
        self._unready_since = None
        if not self._spoke:
            return Verdict.SILENT if now - self._started >= START_S else Verdict.FINE
        self._silent_since = now if self._silent_since is None else self._silent_since
        self._silent_probes += 1
        long = now - self._silent_since >= SILENT_S and self._silent_probes >= SILENT_PROBES
        return Verdict.SILENT if long else Verdict.FINE
