"""The whole HTTP API: use cases in, one ASGI application out."""

from collections.abc import Callable
from dataclasses import dataclass

from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.spans import Spans
from visapi_gateway.app.accept_events import AcceptEvents
from visapi_gateway.app.approvals import Approvals
from visapi_gateway.app.artifacts import Artifacts
from visapi_gateway.app.authenticate import KeyRing
from visapi_gateway.app.bulk import Bulk
from visapi_gateway.app.command_run import Commands
from visapi_gateway.app.dead_letters import DeadLetters
from visapi_gateway.app.deploy_workflow import Workflows
from visapi_gateway.app.follow_run import FollowRun
from visapi_gateway.app.manage_keys import Keys
from visapi_gateway.app.manage_retention import Retentions
from visapi_gateway.app.manage_schedules import Schedules
from visapi_gateway.app.manage_secrets import Secrets
from visapi_gateway.app.read_audit import Audit
from visapi_gateway.app.read_limits import ReadLimits
from visapi_gateway.app.retry_run import Retries
from visapi_gateway.app.run_views import RunViews
from visapi_gateway.app.simulate import Simulations
from visapi_gateway.app.start_run import StartRun
from visapi_gateway.app.system import System
from visapi_gateway.core.paths import Paths
from visapi_gateway.http import (
    routes_approvals,
    routes_artifacts,
    routes_audit,
    routes_bulk,
    routes_commands,
    routes_dead_letters,
    routes_events,
    routes_keys,
    routes_limits,
    routes_retention,
    routes_runs,
    routes_schedules,
    routes_secrets,
    routes_system,
    routes_workflows,
)
from visapi_gateway.http.checks import RateLimits
from visapi_gateway.http.docs_page import build_docs
from visapi_gateway.http.exchange import Asgi, encode
from visapi_gateway.http.limits import Places
from visapi_gateway.http.lists import Cursors
from visapi_gateway.http.mount import Gate, build_app
from visapi_gateway.http.openapi import build_openapi
from visapi_gateway.http.operation import Operation, ReadJson
from visapi_gateway.http.routes_approvals import ApprovalRoutes
from visapi_gateway.http.routes_artifacts import ArtifactRoutes
from visapi_gateway.http.routes_audit import AuditRoutes
from visapi_gateway.http.routes_bulk import BulkRoutes
from visapi_gateway.http.routes_commands import CommandRoutes
from visapi_gateway.http.routes_dead_letters import DeadLetterRoutes
from visapi_gateway.http.routes_events import EventRoutes
from visapi_gateway.http.routes_keys import KeyRoutes
from visapi_gateway.http.routes_limits import LimitRoutes
from visapi_gateway.http.routes_retention import RetentionRoutes
from visapi_gateway.http.routes_runs import RunRoutes
from visapi_gateway.http.routes_schedules import ScheduleRoutes
from visapi_gateway.http.routes_secrets import SecretRoutes
from visapi_gateway.http.routes_system import SystemRoutes
from visapi_gateway.http.routes_workflows import WorkflowRoutes
from visapi_gateway.http.shell import AccessLog, Shell


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
