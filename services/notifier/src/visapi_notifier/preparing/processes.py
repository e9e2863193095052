"""The notifier's work whose cost a tenant chooses, in bounded processes."""

import os

from visapi_common.runtime.bounded_processes import BoundedProcesses
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.templates.renderer import PATIENCE, TEMPLATE, WARM_UP
from visapi_notifier.channels.openapi.documents import PLAN, READ
from visapi_notifier.channels.openapi.documents import WARM_UP as WARM_UP_OPENAPI


def open_processes(metrics: Metrics) -> BoundedProcesses:
    """The pool; under root its processes become `nobody`."""
    user = "nobody" if os.geteuid() == 0 else ""
    return BoundedProcesses(
        [TEMPLATE, READ, PLAN], metrics, warm_up=[WARM_UP, WARM_UP_OPENAPI], user=user, limits=PATIENCE
    )
