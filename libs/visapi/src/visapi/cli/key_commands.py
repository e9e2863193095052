"""`visapi key create|list|show|rotate|disable|enable|revoke`: API keys."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import as_json, console, done, fail, say
from visapi.cli.tables import Table
from visapi.client import key_operations as operations
from visapi_common.contracts.keys import MadeKey, NewKey

keys = typer.Typer(no_args_is_help=True, help="Create, list, rotate, disable and revoke API keys.")
Id = Annotated[str, typer.Argument(help="The key's id: the third part of `visapi_live_<id>_…`.")]


class Kind(StrEnum):
    LIVE = "live"
    TEST = "test"
    ADMIN = "admin"


class RoleName(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"
    DEVELOPER = "developer"
    ADMIN = "admin"


@keys.command()
def create(  # noqa: PLR0913 (each is an option of the command)
    name: Annotated[str, typer.Argument(help="A name that says what the key is for.")],
    *,
    kind: Annotated[Kind, typer.Option()] = Kind.LIVE,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="May be repeated; else all but keys:admin, accounts:write, endpoints:write, hooks:write, "
            "secrets:write, retention:write, artifacts:write and audit:read."
        ),
    ] = None,
    role: Annotated[RoleName | None, typer.Option(help="The scopes of a role, in place of --scope.")] = None,
    workflow: Annotated[
        list[str] | None,
        typer.Option(help="Limit the key to a workflow, namespace/name or namespace/*; may be repeated."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(help="An address or network from which the key may be used; may be repeated."),
    ] = None,
    deny: Annotated[
        list[str] | None,
        typer.Option(help="An address or network from which it may not be used; may be repeated."),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="The key expires after so many days.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a key. It is printed once and cannot be shown again."""
    wanted = NewKey(
        name=name,
        kind=kind.value,
        scopes=scope or None,
        role=None if role is None else role.value,
        workflows=workflow or None,
        allowed_addresses=allow or None,
        denied_addresses=deny or None,
        expires_at=None if days is None else datetime.now(UTC) + timedelta(days=days),
    )
    with connected(url, data_dir) as client:
        _show_once(client.send(operations.create_key(wanted)), json=json)


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
        shown.add_row(key.id, key.name, key.kind, " ".join(key.scopes), key.status)
    shown.show()


@keys.command()
def show(key: Id, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Print what a key may do, and when and from where it was used last, as JSON."""
    with connected(url, data_dir) as client:
        as_json(client.send(operations.read_key(key)))


@keys.command()
def rotate(
    key: Id,
    overlap_s: Annotated[
        int,
        typer.Option("--overlap", min=0, help="Seconds for which the old key is valid beside the new one."),
    ] = 86_400,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a successor that may do the same. It is printed once and cannot be shown again."""
    with connected(url, data_dir) as client:
        _show_once(client.send(operations.rotate_key(key, overlap_s)), json=json)


@keys.command()
def disable(
    key: Id,
    reason: Annotated[str, typer.Option(help="The reason, shown to whoever uses the key.")],
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Refuse a key until it is enabled again."""
    with connected(url, data_dir) as client:
        client.send(operations.disable_key(key, reason))
    done(f"disabled {key}")


@keys.command()
def enable(key: Id, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Let a disabled key be used again."""
    with connected(url, data_dir) as client:
        client.send(operations.enable_key(key))
    done(f"enabled {key}")


@keys.command()
def revoke(key: Id, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Revoke a key at once, for good."""
    with connected(url, data_dir) as client:
        client.send(operations.revoke_key(key))
    done(f"revoked {key}")


def _show_once(made: MadeKey, *, json: bool) -> None:
    if made.key is None:
        hint = f"Revoke it and make another: visapi key revoke {made.id}"
        fail(f"{made.id} was made, but the answer that showed the key was lost", hint=hint)
    if json:
        as_json(made)
        return
    say("Keep this key; it is not shown again.")
    console().print(made.key)
