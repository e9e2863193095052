"""`visapi workflow list|versions|show|source`: what is deployed; `visapi deploy` deploys."""

from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import USAGE, as_json, fail, say
from visapi.cli.tables import Table
from visapi.cli.terminal import write_content
from visapi.client import contents
from visapi.client import workflow_operations as operations
from visapi_common.contracts.workflows import WorkflowView

workflows = typer.Typer(no_args_is_help=True, help="List and read deployed workflows.")
Name = Annotated[str, typer.Argument(metavar="WORKFLOW", help="namespace/name")]
Limit = Annotated[int, typer.Option("--limit", "-L", min=1, max=100_000)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@workflows.command(name="list")
def list_(
    namespace: Annotated[str | None, typer.Option(help="Only workflows of this namespace.")] = None,
    limit: Limit = 200,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """List workflows by name, each as its highest version."""
    with connected(url, data_dir) as client:
        found = list(islice(client.workflows.list(namespace=namespace), limit))
    _show_all(found, json=json)


@workflows.command()
def versions(
    workflow: Name,
    limit: Limit = 200,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """List the versions of a workflow, highest first."""
    namespace, name = name_of(workflow)
    with connected(url, data_dir) as client:
        found = list(islice(client.workflows.versions(namespace, name), limit))
    _show_all(found, json=json)


@workflows.command()
def show(workflow: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """Show a workflow: its highest version, and whether it asks for an input of a certain shape."""
    with connected(url, data_dir) as client:
        view = client.send(operations.get_workflow(*name_of(workflow)))
    if json:
        as_json(view)
        return
    shown = Table("", "")
    shown.add_row("workflow", f"{view.namespace}/{view.name} {view.version}")
    for label, text in (("title", view.title), ("summary", view.summary)):
        if text:
            shown.add_row(label, text)
    shown.add_row("deployed", f"{view.created_at:%Y-%m-%d %H:%M:%S} by {view.created_by}")
    shown.add_row("input", "anything" if view.input_schema is None else "has a schema; see --output json")
    shown.show()


@workflows.command()
def source(
    workflow: Name,
    version: Annotated[str | None, typer.Option(help="The default is the highest version.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print the definition of a version as its author wrote it."""
    namespace, name = name_of(workflow)
    with connected(url, data_dir) as client:
        if version is None:
            version = client.send(operations.get_workflow(namespace, name)).version
        text = client.send(contents.get_source(namespace, name, version))
    write_content(text)


def name_of(workflow: str) -> tuple[str, str]:
    """Namespace and name; a word without both ends the command."""
    namespace, _, name = workflow.partition("/")
    if not namespace or not name:
        fail(f"{workflow!r} names no workflow; write namespace/name", code=USAGE)
    return namespace, name


def _show_all(found: Sequence[WorkflowView], *, json: bool) -> None:
    if json:
        as_json(found)
        return
    if not found:
        say("no workflows")
        return
    shown = Table("workflow", "version", "title", "deployed", elastic=("title", "workflow"))
    for one in found:
        deployed = f"{one.created_at:%Y-%m-%d %H:%M:%S}"
        shown.add_row(f"{one.namespace}/{one.name}", one.version, one.title or "", deployed)
    shown.show()
