"""Starting runs."""

from collections.abc import Sequence

from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice, Upkeep
from visapi_gateway.rates.slice import run_quotas
from visapi_gateway.runs.reading.slice import follow_run, run_views
from visapi_gateway.runs.starting import routes
from visapi_gateway.runs.starting.commits import RunCommits
from visapi_gateway.runs.starting.open_runs import OpenRuns
from visapi_gateway.runs.starting.routes import StartRoutes
from visapi_gateway.runs.starting.service import StartRun
from visapi_gateway.runs.starting.store import PgRunLedger
from visapi_gateway.workflows.slice import definitions, input_checks


def run_commits(kernel: Kernel) -> RunCommits:
    """The group commit of accepted runs."""
    return RunCommits(PgRunLedger(kernel.pool), kernel.messages.trigger, kernel.metrics)


def open_runs(kernel: Kernel) -> OpenRuns:
    return OpenRuns(
        kernel.full_tenants,
        PgRunLedger(kernel.pool),
        kernel.one(run_commits).accept,
        kernel.one(run_quotas).take,
    )


def start_run(kernel: Kernel) -> StartRun:
    """The use case."""
    return StartRun(
        kernel.one(definitions),
        kernel.one(input_checks),
        accept=kernel.one(open_runs),
        pack=kernel.payloads.pack,
        clock=kernel.clock,
        ids=kernel.ids,
    )


def open_routes(kernel: Kernel) -> list[Route]:
    views, follow = kernel.one(run_views), kernel.one(follow_run)
    return StartRoutes(kernel.one(start_run), views, follow, kernel.metrics).routes()


def upkeep(kernel: Kernel) -> Sequence[Upkeep]:
    return [("open-runs", kernel.full_tenants.keep_fresh)]


SLICE = Slice([routes], open_routes, upkeep)
