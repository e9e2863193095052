"""The whole HTTP API: use cases in, one ASGI application out."""

from collections.abc import Callable
from dataclasses import dataclass

from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.spans import Spans
from visapi_gateway.approvals import routes as routes_approvals
from visapi_gateway.approvals.routes import ApprovalRoutes
from visapi_gateway.approvals.service import Approvals
from visapi_gateway.artifacts import routes as routes_artifacts
from visapi_gateway.artifacts.routes import ArtifactRoutes
from visapi_gateway.artifacts.service import Artifacts
from visapi_gateway.audit import routes as routes_audit
from visapi_gateway.audit.routes import AuditRoutes
from visapi_gateway.audit.service import Audit
from visapi_gateway.dead_letters import routes as routes_dead_letters
from visapi_gateway.dead_letters.routes import DeadLetterRoutes
from visapi_gateway.dead_letters.service import DeadLetters
from visapi_gateway.events import routes as routes_events
from visapi_gateway.events.routes import EventRoutes
from visapi_gateway.events.service import AcceptEvents
from visapi_gateway.flow_limits import routes as routes_limits
from visapi_gateway.flow_limits.routes import LimitRoutes
from visapi_gateway.flow_limits.service import ReadLimits
from visapi_gateway.kernel.access.authentication import KeyRing
from visapi_gateway.kernel.api.checks import RateLimits
from visapi_gateway.kernel.api.docs_page import build_docs
from visapi_gateway.kernel.api.lists import Cursors
from visapi_gateway.kernel.api.mount import Gate, build_app
from visapi_gateway.kernel.api.openapi import build_openapi
from visapi_gateway.kernel.api.operation import Operation, ReadJson
from visapi_gateway.kernel.asgi.exchange import Asgi, encode
from visapi_gateway.kernel.asgi.paths import Paths
from visapi_gateway.kernel.asgi.places import Places
from visapi_gateway.kernel.asgi.shell import AccessLog, Shell
from visapi_gateway.keys import routes as routes_keys
from visapi_gateway.keys.routes import KeyRoutes
from visapi_gateway.keys.service import Keys
from visapi_gateway.retention import routes as routes_retention
from visapi_gateway.retention.routes import RetentionRoutes
from visapi_gateway.retention.service import Retentions
from visapi_gateway.runs.bulk import routes as routes_bulk
from visapi_gateway.runs.bulk.routes import BulkRoutes
from visapi_gateway.runs.bulk.service import Bulk
from visapi_gateway.runs.commands import routes as routes_commands
from visapi_gateway.runs.commands.retry import Retries
from visapi_gateway.runs.commands.routes import CommandRoutes
from visapi_gateway.runs.commands.service import Commands
from visapi_gateway.runs.reading import routes as routes_runs
from visapi_gateway.runs.reading.follow import FollowRun
from visapi_gateway.runs.reading.routes import RunRoutes
from visapi_gateway.runs.reading.service import RunViews
from visapi_gateway.runs.starting.service import StartRun
from visapi_gateway.schedules import routes as routes_schedules
from visapi_gateway.schedules.routes import ScheduleRoutes
from visapi_gateway.schedules.service import Schedules
from visapi_gateway.secrets import routes as routes_secrets
from visapi_gateway.secrets.routes import SecretRoutes
from visapi_gateway.secrets.service import Secrets
from visapi_gateway.system import routes as routes_system
from visapi_gateway.system.routes import SystemRoutes
from visapi_gateway.system.service import System
from visapi_gateway.workflows import routes as routes_workflows
from visapi_gateway.workflows.routes import WorkflowRoutes
from visapi_gateway.workflows.service import Workflows
from visapi_gateway.workflows.simulating import Simulations


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the operations carry out."""

    keyring: KeyRing
    start: StartRun
    views: RunViews
    follow: FollowRun
    commands: Commands
    letters: DeadLetters
    retry: Retries
    bulk: Bulk
    events: AcceptEvents
    workflows: Workflows
    simulate: Simulations
    keys: Keys
    audit: Audit
    retentions: Retentions
    secrets: Secrets
    schedules: Schedules
    limits: ReadLimits
    artifacts: Artifacts
    approvals: Approvals
    system: System


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the shell needs of the process."""

    metrics: Metrics
    spans: Spans
    log: AccessLog
    rates: RateLimits
    places: Places
    read_json: ReadJson
    cursor_secret: bytes
    new_id: Callable[[], str]
    version: str


def operations() -> list[Operation]:
    """Every operation there is, in the order of the documentation."""
    modules = (
        routes_workflows,
        routes_runs,
        routes_commands,
        routes_bulk,
        routes_events,
        routes_schedules,
        routes_artifacts,
        routes_approvals,
        routes_dead_letters,
        routes_limits,
        routes_retention,
        routes_secrets,
        routes_keys,
        routes_audit,
        routes_system,
    )
    found: list[Operation] = []
    for module in modules:
        found += [value for value in vars(module).values() if isinstance(value, Operation)]
    return found + list(routes_commands.COMMANDS.values())


def build_api(cases: UseCases, around: Surroundings) -> Asgi:
    """The application that the server serves."""
    cursors = Cursors(around.cursor_secret)
    described = operations()
    openapi = encode(build_openapi(described, around.version))
    docs = build_docs(described, around.version)
    routes = [
        *WorkflowRoutes(cases.workflows, cases.simulate, cursors).routes(),
        *RunRoutes(
            start=cases.start,
            views=cases.views,
            follow=cases.follow,
            cursors=cursors,
            metrics=around.metrics,
        ).routes(),
        *CommandRoutes(cases.commands, cases.retry, cases.views).routes(),
        *BulkRoutes(cases.bulk, around.cursor_secret, around.metrics).routes(),
        *EventRoutes(cases.events).routes(),
        *ArtifactRoutes(cases.artifacts).routes(),
        *ApprovalRoutes(cases.approvals, cursors).routes(),
        *DeadLetterRoutes(cases.letters, cursors).routes(),
        *LimitRoutes(cases.limits, cursors).routes(),
        *RetentionRoutes(cases.retentions, cursors).routes(),
        *ScheduleRoutes(cases.schedules, cursors).routes(),
        *SecretRoutes(cases.secrets, cursors).routes(),
        *KeyRoutes(cases.keys, cursors).routes(),
        *AuditRoutes(cases.audit, cursors).routes(),
        *SystemRoutes(cases.system, openapi, docs).routes(),
    ]
    assert {id(route.operation) for route in routes} == {id(operation) for operation in described}
    gate = Gate(cases.keyring, around.rates, around.metrics, around.read_json)
    return Shell(
        build_app(routes, gate),  # pyright: ignore[reportArgumentType] (Litestar's ASGI types are narrower)
        paths=Paths((operation.method, operation.path) for operation in described),
        spans=around.spans,
        log=around.log,
        places=around.places,
        new_id=around.new_id,
    )
