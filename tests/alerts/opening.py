"""A stack, its monitoring, its traffic and the receivers, ready for a trial."""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alerts.ground import Ground
from alerts.monitoring import Monitoring, monitoring
from alerts.receivers import Loop, Receivers
from alerts.traffic import prepare, traffic
from alerts.trial import Trial

SETTINGS = {
    "VISAPI_PDF_TIMEOUT_S": "3",
    "VISAPI_STREAMS_PER_KEY": "20",
    "VISAPI_FAMILY_OPEN_MAX": "20",
    "VISAPI_SCHEDULE_CORRELATIONS_MAX": "2",
    "VISAPI_STREAM_EVENTS_BYTES": str(16 * 1024 * 1024),
}
"""Bounds that a small machine can reach."""


@dataclass(frozen=True)
class Place:
    """Everything that is up."""

    ground: Ground
    watching: Monitoring
    receivers: Receivers
    trial: Trial
    night: threading.Event
    """While it is set, nobody uses the stack."""


@contextlib.contextmanager
def opened(beat_s: int | None = None) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="visapi-alerts-")))
        folder.chmod(0o711)
        loop = Loop()
        stack.callback(loop.close)
        receivers = Receivers(loop)
        receivers.start()
        stack.callback(receivers.stop)
        ground = Ground(folder, loop, receivers, SETTINGS)
        stack.callback(ground.stop)
        ground.start()
        prepare(ground)
        night = stack.enter_context(traffic(ground))
        metrics = ground.stack.ready.metrics
        watching = stack.enter_context(monitoring(folder, metrics, receivers, beat_s))
        yield Place(ground, watching, receivers, Trial(ground, watching), night)
