"""`visapi tenant create|list|get|suspend|resume|export|erase`, with a key that has `tenants:admin`."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, console, done, fail, say
from visapi.cli.tables import Table
from visapi.client import tenant_operations as operations
from visapi.client.synchronous import Client
from visapi_common.contracts.foreign import Unreadable, read_as
from visapi_common.contracts.tenants import NewTenant, TenantView

tenants = typer.Typer(no_args_is_help=True, help="Create, list, suspend, resume, export and erase tenants.")
Id = Annotated[str, typer.Argument(help="1 to 63 lower-case letters, digits and dashes.")]


@tenants.command()
def create(
    tenant: Id,
    *,
    key_name: Annotated[str, typer.Option(help="What the first key is for.")] = "first key",
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a tenant. Its first key is printed once and cannot be shown again."""
    with connected(url, data_dir) as client:
        made = client.send(operations.make_tenant(NewTenant(tenant, key_name)))
    if json:
        as_json(made)
        return
    say(f"{tenant} was made. Keep its first key; it is not shown again.")
    console().print(made.key)


@tenants.command(name="list")
def list_(
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List tenants with the number of their keys."""
    with connected(url, data_dir) as client:
        found = list(_all(client))
    if json:
        as_json(found)
        return
    shown = Table("tenant", "keys", "state", "created", "reason", elastic=("reason",))
    for each in found:
        shown.add_row(
            each.id, str(each.keys), each.status, f"{each.created_at:%Y-%m-%d %H:%M}", each.reason or ""
        )
    shown.show()


@tenants.command()
def get(tenant: Id, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Print a tenant as JSON."""
    with connected(url, data_dir) as client:
        as_json(client.send(operations.read_tenant(tenant)))


@tenants.command()
def suspend(
    tenant: Id,
    reason: Annotated[str, typer.Option(help="Why, for the audit of the tenant.")],
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Refuse the keys of a tenant, and start none of its runs. Open runs continue."""
    with connected(url, data_dir) as client:
        client.send(operations.suspend_tenant(tenant, reason))
    done(f"{tenant} is suspended")


@tenants.command()
def resume(
    tenant: Id,
    reason: Annotated[str | None, typer.Option(help="Why, for the audit of the tenant.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Take a suspended tenant up again."""
    with connected(url, data_dir) as client:
        client.send(operations.resume_tenant(tenant, reason))
    done(f"{tenant} is active")


@tenants.command()
def export(
    tenant: Id,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Save everything that a tenant owns, without values of secrets, as lines of JSON."""
    digest, number, last = hashlib.sha256(), 0, b""
    part = output.with_name(f"{output.name}.part")
    with connected(url, data_dir) as client:
        lines = client.lines(operations.export_tenant(tenant))
        private = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(private, "wb") as file:
            for line in lines:
                digest.update(last)
                file.write(line)
                number, last = number + 1, line
    if not _is_end(last, digest.hexdigest()):
        fail(f"the export is incomplete; the received part is in {part}")
    part.replace(output)
    done(f"saved {output}: {number} lines")


class _End(msgspec.Struct):
    sha256: str


class _Last(msgspec.Struct):
    end: _End


def _is_end(line: bytes, digest: str) -> bool:
    """Whether the line is the last of an export with this digest of all lines before."""
    last = read_as(_Last, line)
    return not isinstance(last, Unreadable) and last.end.sha256 == digest


@tenants.command()
def erase(
    tenant: Id,
    *,
    confirm: Annotated[str, typer.Option(help="The id of the tenant, once more.")],
    reason: Annotated[str, typer.Option(help="The reason, for the audit of the tenant.")],
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Erase a suspended tenant with all that it owns. This cannot be undone; `get` says how far it is."""
    with connected(url, data_dir) as client:
        client.send(operations.erase_tenant(tenant, confirm, reason))
    done(f"{tenant} is being erased")


def _all(client: Client) -> Iterator[TenantView]:
    cursor = None
    while True:
        page = client.send(operations.list_tenants(cursor=cursor))
        yield from page.items
        if (cursor := page.next) is None:
            return
