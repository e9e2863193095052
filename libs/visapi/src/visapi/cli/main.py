"""The entry point of the command `visapi`; wiring only."""

import sys
from importlib import metadata
from typing import Annotated, ClassVar

import typer

from visapi.cli.commands_on_demand import CommandsOnDemand


class _Commands(CommandsOnDemand):
    places: ClassVar = {
        "up": "visapi.cli.stack_commands:up",
        "down": "visapi.cli.stack_commands:down",
        "status": "visapi.cli.stack_commands:status",
        "env": "visapi.cli.stack_commands:env",
        "demo": "visapi.cli.demo_command:demo",
        "validate": "visapi.cli.workflow_commands:validate",
        "simulate": "visapi.cli.simulate_command:simulate",
        "deploy": "visapi.cli.workflow_commands:deploy",
        "limits": "visapi.cli.limit_commands:limits",
        "workflow": "visapi.cli.workflow_group:workflows",
        "run": "visapi.cli.run_commands:runs",
        "event": "visapi.cli.event_commands:events",
        "schedule": "visapi.cli.schedule_commands:schedules",
        "secret": "visapi.cli.secret_commands:secrets",
        "approval": "visapi.cli.approval_commands:approvals",
        "artifact": "visapi.cli.artifact_commands:artifacts",
        "inbox": "visapi.cli.inbox_commands:inbox",
        "doctor": "visapi.cli.doctor_command:doctor",
        "listen": "visapi.cli.listen_command:listen",
        "context": "visapi.cli.context_commands:contexts",
        "key": "visapi.cli.key_commands:keys",
        "tenant": "visapi.cli.tenant_commands:tenants",
        "hook": "visapi.cli.hook_commands:hooks",
        "endpoint": "visapi.cli.endpoint_commands:endpoints",
        "account": "visapi.cli.account_commands:accounts",
        "template": "visapi.cli.template_commands:templates",
        "rate": "visapi.cli.rate_commands:rates",
        "usage": "visapi.cli.usage_command:usage",
        "audit": "visapi.cli.audit_commands:audit",
        "dead-letter": "visapi.cli.dead_letter_replays:dead_letters",
        "retention": "visapi.cli.retention_commands:retention",
        "backup": "visapi.cli.backup_commands:backup",
        "admin": "visapi.cli.admin_commands:admin",
    }
    aliases: ClassVar = {"dlq": "dead-letter"}


app = typer.Typer(
    name="visapi",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Workflows that lose nothing and do nothing twice.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"visapi {metadata.version('visapi')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Workflows that lose nothing and do nothing twice."""


def main() -> None:
    """Run the command line; Ctrl-C ends it quietly with the shell's code 130."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
