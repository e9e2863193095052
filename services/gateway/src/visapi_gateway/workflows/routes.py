"""Deploying and reading workflows."""

from typing import Annotated, Any

import msgspec

from visapi_common.contracts.simulation import SimulateWorkflow, Simulation
from visapi_common.contracts.workflows import Deployed, WorkflowPage, WorkflowView
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.api.checks import check_media_type, read_json
from visapi_gateway.kernel.api.lists import Cursor, Cursors, Limit, Listing
from visapi_gateway.kernel.api.operation import Call, Operation, ResponseSpec, Route
from visapi_gateway.kernel.asgi.http import AsgiResponse, Response, json_response, located
from visapi_gateway.workflows.service import Workflows
from visapi_gateway.workflows.simulating import Simulations

YAML = "application/yaml"
JSON = "application/json"


class DeployQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dry_run: Annotated[bool, msgspec.Meta(description="Validate everything, store nothing.")] = False


class WorkflowsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    namespace: (
        Annotated[str, msgspec.Meta(max_length=100, description="Only workflows of this namespace.")] | None
    ) = None
    limit: Limit = 50
    cursor: Cursor | None = None


_READ = {
    200: ResponseSpec(
        "The version, or its source with `Accept: application/yaml`.", WorkflowView, (JSON, YAML)
    )
}

DEPLOY = Operation(
    "POST",
    "/v1/workflows",
    "deployWorkflow",
    "Deploy a workflow",
    {
        200: ResponseSpec("The same content was deployed earlier, or this is a dry run.", Deployed),
        201: ResponseSpec("The version is deployed.", Deployed, headers=("Location",)),
    },
    description="The body is a definition in the Open Workflow Specification DSL 1.0.3.",
    tag="workflows",
    scope="workflows:write",
    once="deploys once",
    query=DeployQuery,
    body=Any,
    body_required=True,
    body_types=(YAML, JSON),
    problems=("workflow_version_exists", "definition_invalid", "quota_exceeded"),
    test_keys="open",
)
SIMULATE = Operation(
    "POST",
    "/v1/workflows/simulate",
    "simulateWorkflow",
    "Simulate a definition in virtual time, without any effect",
    {200: ResponseSpec("The history, the output, and the decision at each task.", Simulation)},
    description=(
        "Nothing is stored and nothing is called: `given` holds an answer for each `call` and `run`, by "
        "the task's pointer or name. The simulation stops at a missing answer and names it."
    ),
    tag="workflows",
    scope="workflows:read",
    body=SimulateWorkflow,
    body_required=True,
    problems=("definition_invalid", "simulation_ended"),
    test_keys="open",
)
LIST = Operation(
    "GET",
    "/v1/workflows",
    "listWorkflows",
    "List workflows, each as its highest version",
    {200: ResponseSpec("A page.", WorkflowPage)},
    tag="workflows",
    scope="workflows:read",
    query=WorkflowsQuery,
    limited_keys="narrowed",
)
READ = Operation(
    "GET",
    "/v1/workflows/{namespace:str}/{name:str}",
    "readWorkflow",
    "Read the highest version of a workflow",
    _READ,
    tag="workflows",
    scope="workflows:read",
    produces=(JSON, YAML),
    problems=("workflow_not_found",),
    limited_keys="narrowed",
)
VERSIONS = Operation(
    "GET",
    "/v1/workflows/{namespace:str}/{name:str}/versions",
    "listVersions",
    "List the versions of a workflow, highest first",
    {200: ResponseSpec("A page.", WorkflowPage)},
    tag="workflows",
    scope="workflows:read",
    query=Listing,
    problems=("workflow_not_found",),
    limited_keys="narrowed",
)
VERSION = Operation(
    "GET",
    "/v1/workflows/{namespace:str}/{name:str}/versions/{version:str}",
    "readVersion",
    "Read a version of a workflow",
    _READ,
    tag="workflows",
    scope="workflows:read",
    produces=(JSON, YAML),
    problems=("workflow_not_found",),
    limited_keys="narrowed",
)


class WorkflowRoutes:
    """The handlers of the operations above."""

    def __init__(self, workflows: Workflows, simulate: Simulations, cursors: Cursors) -> None:
        self._workflows = workflows
        self._simulate = simulate
        self._cursors = cursors

    def routes(self) -> list[Route]:
        return [
            Route(DEPLOY, self.deploy, self.deployed_before),
            Route(SIMULATE, self.simulate),
            Route(LIST, self.list),
            Route(READ, self.read),
            Route(VERSIONS, self.versions),
            Route(VERSION, self.read),
        ]

    async def deploy(self, call: Call) -> AsgiResponse:
        source = await call.read_body()
        media_type = check_media_type(DEPLOY, call, source)
        if not source.strip():
            raise ProblemError("bad_request", "the body is empty; send a workflow definition", status=400)
        dry_run: bool = call.query.dry_run
        # What is deployed is what live runs start with.
        call.principal.check_may_command("what is deployed", test=dry_run)
        deployed, created = await self._workflows.deploy(
            call.requester, source, media_type, dry_run=dry_run, claim=call.claim
        )
        return _deployed(deployed, new=created)

    async def deployed_before(self, call: Call, answer: str) -> AsgiResponse:
        deployed, created = await self._workflows.deployed_before(call.principal.tenant, answer)
        return _deployed(deployed, new=created)

    async def simulate(self, call: Call) -> AsgiResponse:
        return Response(200, await self._simulate(call.principal.tenant, await read_json(SIMULATE, call)))

    async def list(self, call: Call) -> AsgiResponse:
        query: WorkflowsQuery = call.query
        position = self._cursors.position(call)
        after = None
        if position is not None:
            namespace, _, name = position.partition("/")
            after = (namespace, name)
        page = await self._workflows.page(call.principal.tenant, query.namespace, after, query.limit)
        return json_response(self._cursors.page(call, page))

    async def read(self, call: Call) -> AsgiResponse:
        which = (call.principal.tenant, call.path["namespace"], call.path["name"], call.path.get("version"))
        if call.media_type == YAML:
            row = await self._workflows.row(*which)
            return Response(200, row.source, media_type=row.media_type.encode())
        return json_response(await self._workflows.describe(*which))

    async def versions(self, call: Call) -> AsgiResponse:
        name = (call.principal.tenant, call.path["namespace"], call.path["name"])
        page = await self._workflows.versions(name, self._cursors.position(call), call.query.limit)
        return json_response(self._cursors.page(call, page))


def _deployed(deployed: Deployed, *, new: bool) -> AsgiResponse:
    return located(deployed, 201) if new else json_response(deployed)
