"""Definitions."""

from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice
from visapi_gateway.system.slice import functions_of
from visapi_gateway.workflows import routes
from visapi_gateway.workflows.compiling import Compiling
from visapi_gateway.workflows.definitions import Definitions
from visapi_gateway.workflows.input_checks import InputChecks
from visapi_gateway.workflows.jobs import CHECK_INPUT, COMPILE, SIMULATE, SIMULATE_GUARDED, DefinitionJobs
from visapi_gateway.workflows.routes import WorkflowRoutes
from visapi_gateway.workflows.service import Workflows
from visapi_gateway.workflows.simulating import Simulations
from visapi_gateway.workflows.store import PgWorkflowStore


def definitions(kernel: Kernel) -> Definitions:
    """Deployed definitions in memory."""
    return Definitions(PgWorkflowStore(kernel.pool, kernel.quotas), kernel.clock)


def definition_jobs(kernel: Kernel) -> DefinitionJobs:
    return DefinitionJobs(kernel.jobs)


def input_checks(kernel: Kernel) -> InputChecks:
    """The checks of runs' inputs."""
    return InputChecks(kernel.one(definition_jobs), kernel.jobs.read_json)


def compiling(kernel: Kernel) -> Compiling:
    compile_ = kernel.one(definition_jobs).compile
    return Compiling(compile_, kernel.one(functions_of), kernel.one(input_checks).schema)


def workflows(kernel: Kernel) -> Workflows:
    """The use cases of definitions."""
    return Workflows(
        PgWorkflowStore(kernel.pool, kernel.quotas),
        kernel.one(definitions),
        kernel.one(compiling),
        clock=kernel.clock,
        ids=kernel.ids,
        announce=kernel.messages.trigger,
    )


def open_routes(kernel: Kernel) -> list[Route]:
    simulate = Simulations(kernel.one(compiling), kernel.one(definition_jobs).simulate, kernel.clock)
    return WorkflowRoutes(kernel.one(workflows), simulate, kernel.cursors).routes()


SLICE = Slice([routes], open_routes, jobs=(SIMULATE_GUARDED, COMPILE, SIMULATE, CHECK_INPUT))
