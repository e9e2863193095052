"""`visapi template put|list|get|versions|preview|delete`: templates of documents and mails."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, done, fail
from visapi.cli.tables import Table
from visapi.cli.template_folder import read_folder, read_json
from visapi.cli.terminal import write
from visapi.client import template_operations as operations
from visapi_common.contracts.templates import PreviewTemplate, TemplatePage
from visapi_common.core.template_names import read_reference

templates = typer.Typer(no_args_is_help=True, help="Store templates of documents and mails.")
Name = Annotated[str, typer.Argument(help="The name of the template.")]
Reference = Annotated[str, typer.Argument(help="The name, or one version of it as welcome@3.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@templates.command()
def put(
    name: Name,
    folder: Annotated[
        Path, typer.Argument(help="en.html, en.txt and en.subject by locale; assets/; test-data.json.")
    ],
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Store a folder as the next version, unless the newest has these contents."""
    try:
        wanted = read_folder(folder)
    except (ValueError, OSError) as wrong:
        fail(str(wrong))
    with connected(url, data_dir) as client:
        stored = client.send(operations.put_template(name, wanted))
    done(f"{stored.name}@{stored.version} is a template of kind {stored.kind}: {', '.join(stored.locales)}")


@templates.command(name="list")
def list_(url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: AsJson = False) -> None:
    """List templates, each as its newest version."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_templates())
    _show(page, json=json)


@templates.command()
def get(reference: Reference, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Print a version with its sources, as JSON."""
    name, version = _read(reference)
    call = (
        operations.read_template(name) if version is None else operations.read_template_version(name, version)
    )
    with connected(url, data_dir) as client:
        as_json(client.send(call))


@templates.command()
def versions(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: AsJson = False) -> None:
    """List the versions of a template, newest first."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_template_versions(name))
    _show(page, json=json)


@templates.command()
def preview(
    reference: Reference,
    data: Annotated[str | None, typer.Option(help="JSON in place of the test data.")] = None,
    locale: Annotated[str | None, typer.Option(help="Such as de-AT.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Render a template with its test data, and print the parts."""
    name, version = _read(reference)
    wanted = PreviewTemplate(version=version, locale=locale, data=_data(data))
    with connected(url, data_dir) as client:
        made = client.send(operations.preview_template(name, wanted))
    for part in ("subject", "text", "html"):
        rendered = getattr(made, part)
        if rendered is not None:
            write(f"{rendered}\n")


@templates.command()
def delete(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Retire a template: tasks no longer find its name. Versions that definitions pin are still rendered."""
    with connected(url, data_dir) as client:
        client.send(operations.retire_template(name))
    done(f"{name} is retired")


def _read(reference: str) -> tuple[str, int | None]:
    read = read_reference(reference)
    if read is None:
        fail(f"{reference!r} cannot name a template; write welcome or welcome@3")
    return read


def _data(given: str | None) -> Any:
    if given is None:
        return msgspec.UNSET
    try:
        return read_json("--data", given.encode())
    except ValueError as wrong:
        fail(str(wrong))


def _show(page: TemplatePage, *, json: bool) -> None:
    if json:
        as_json(page)
        return
    shown = Table("template", "kind", "locales", "since", "by", elastic=("by",))
    for item in page.items:
        made = f"{item.created_at:%Y-%m-%d %H:%M:%S}"
        shown.add_row(
            f"{item.name}@{item.version}", item.kind, ", ".join(item.locales), made, item.created_by
        )
    shown.show()
