"""The options by which runs are found, shared by `visapi run list` and `visapi run bulk`."""

from typing import Annotated

import typer

from visapi_common.contracts.runs import RunStatus

Status = Annotated[list[RunStatus] | None, typer.Option(help="Only runs in this state; may be repeated.")]
Workflow = Annotated[str | None, typer.Option("--workflow", "-w", help="namespace/name, or namespace")]
Version = Annotated[str | None, typer.Option(help="Only runs of this version.")]
After = Annotated[
    str | None, typer.Option(help="Created at this time or later, such as 2026-01-31T12:00:00Z.")
]
Before = Annotated[str | None, typer.Option(help="Created earlier.")]
Attribute = Annotated[
    list[str] | None,
    typer.Option("--attribute", "-a", help="name:value, or 'name>=5'; may be repeated."),
]
Query = Annotated[
    str | None,
    typer.Option(
        "--query", "-q", help="The start of an id or of an attribute value, or a part of a workflow's name."
    ),
]
Parent = Annotated[str | None, typer.Option(help="Only children of this run.")]
Schedule = Annotated[str | None, typer.Option(help="Only runs that namespace/name's schedule started.")]
