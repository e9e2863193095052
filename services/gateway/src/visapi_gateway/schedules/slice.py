"""Schedules."""

from functools import partial
from secrets import randbits

from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.rates.slice import run_quotas
from visapi_gateway.schedules import routes
from visapi_gateway.schedules.routes import ScheduleRoutes
from visapi_gateway.schedules.service import Schedules
from visapi_gateway.schedules.store import PgScheduleStore


def open_routes(kernel: Kernel) -> list[Route]:
    schedules = Schedules(
        PgScheduleStore(kernel.pool),
        kernel.clock,
        partial(randbits, 80),
        hint=kernel.messages.hint,
        refuse_full=kernel.full_tenants.refuse,
        take_runs=kernel.one(run_quotas).take_all,
    )
    return ScheduleRoutes(schedules, kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
