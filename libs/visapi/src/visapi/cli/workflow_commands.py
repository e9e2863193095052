"""`visapi validate` and `visapi deploy`: definitions."""

from pathlib import Path
from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import FAILURE, as_json, done, fail
from visapi.cli.source_view import show_in_source
from visapi.client import operations
from visapi.client.call import JSON
from visapi_engine.compile.compiler import Compiled, DefinitionInvalid, compile_definition

File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A definition, YAML or JSON.")
]


def validate(
    file: File, *, json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Check a definition without a server: every mistake, with its line, its column and its remedy."""
    if json:
        _validate_for_machines(file)
        return
    program = compiled(file)
    show_in_source(file, program.warnings, word="warning", style="yellow")
    done(f"{file} is valid")


def deploy(
    file: File,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    dry_run: Annotated[bool, typer.Option(help="Only check the definition; store nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Deploy a definition. Deployed versions never change; raise the version to change one."""
    compiled(file)
    with connected(url, data_dir) as client:
        workflow = client.send(operations.deploy(file.read_bytes(), media_type(file), dry_run=dry_run))
    if json:
        as_json(workflow)
    else:
        verb = "would deploy" if dry_run else "deployed"
        done(f"{verb} {workflow.namespace}/{workflow.name} version {workflow.version}")


def media_type(file: Path) -> str:
    return JSON if file.suffix == ".json" else operations.YAML


def compiled(file: Path) -> Compiled:
    """The definition in a file; with mistakes, each is shown and the command ends."""
    try:
        return compile_definition(file.read_bytes(), media_type(file))
    except DefinitionInvalid as invalid:
        show_in_source(file, invalid.errors, word="error", style="bold red")
        count = len(invalid.errors)
        fail(f"{file} has {count} mistake{'s' if count > 1 else ''}")


def _validate_for_machines(file: Path) -> None:
    try:
        warnings = compile_definition(file.read_bytes(), media_type(file)).warnings
    except DefinitionInvalid as invalid:
        as_json({"valid": False, "errors": invalid.errors, "warnings": []})
        raise typer.Exit(FAILURE) from None
    as_json({"valid": True, "errors": [], "warnings": warnings})
