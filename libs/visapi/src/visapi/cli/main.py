"""The entry point of the command `visapi`; wiring only."""

import sys
from importlib import metadata
from typing import Annotated

import typer

from visapi.cli.admin_commands import admin
from visapi.cli.approval_commands import approvals
from visapi.cli.artifact_commands import artifacts
from visapi.cli.audit_commands import audit
from visapi.cli.dead_letter_commands import dead_letters
from visapi.cli.demo_command import demo
from visapi.cli.inbox_commands import inbox
from visapi.cli.key_commands import keys
from visapi.cli.limit_commands import limits
from visapi.cli.retention_commands import retention
from visapi.cli.run_commands import runs
from visapi.cli.simulate_command import simulate
from visapi.cli.stack_commands import down, env, status, up
from visapi.cli.workflow_commands import deploy, validate

app = typer.Typer(
    name="visapi",
    no_args_is_help=True,
    add_completion=False,
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


for _command in (up, down, status, env, demo, validate, simulate, deploy, limits):
    app.command()(_command)
app.add_typer(runs, name="run")
app.add_typer(approvals, name="approval")
app.add_typer(artifacts, name="artifact")
app.add_typer(inbox, name="inbox")
app.add_typer(keys, name="key")
app.add_typer(audit, name="audit")
app.add_typer(dead_letters, name="dead-letter")
app.add_typer(retention, name="retention")
app.add_typer(admin, name="admin")


def main() -> None:
    """Run the command line; Ctrl-C ends it quietly with the shell's code 130."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
