"""`visapi key create|list|revoke`: API keys."""

from enum import StrEnum
from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, console, done, say
from visapi.cli.tables import Table
from visapi.client import operations

keys = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")


class Kind(StrEnum):
    LIVE = "live"
    TEST = "test"
    ADMIN = "admin"


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="A name that says what the key is for.")],
    kind: Annotated[Kind, typer.Option()] = Kind.LIVE,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="May be repeated; else all but keys:admin, hooks:write, secrets:write, retention:write and "
            "audit:read."
        ),
    ] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make a key. It is printed once and cannot be shown again."""
    with connected(url, data_dir) as client:
        made = client.send(operations.create_key(name, kind.value, scope))
    say("Keep this key; it is not shown again.")
    console().print(made.key)


@keys.command(name="list")
def list_(
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List keys, without their secrets."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_keys())
    if json:
        as_json(page.items)
        return
    shown = Table("id", "name", "kind", "scopes", "state", elastic=("scopes", "name"))
    for key in page.items:
        shown.add_row(
            key.id, key.name, key.kind, " ".join(key.scopes), "revoked" if key.disabled_at else "active"
        )
    shown.show()


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id: the third part of `visapi_live_<id>_…`.")],
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Revoke a key at once."""
    with connected(url, data_dir) as client:
        client.send(operations.revoke_key(key))
    done(f"revoked {key}")
