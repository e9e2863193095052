"""`visapi account put|list|get|verify|rotate|confirm|rollback|delete`.

Credentials come from a file, from stdin or from a variable, never from the command line, which others on the
machine can read.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import USAGE, as_json, done, fail
from visapi.cli.tables import Table
from visapi.client import account_operations as operations
from visapi_common.contracts.account_kinds import Kind
from visapi_common.contracts.accounts import AccountView, PutAccount, RotateAccount
from visapi_common.contracts.foreign import Reader, Unreadable, read_as

accounts = typer.Typer(no_args_is_help=True, help="Send through your own mail relay or Slack bot.")
VARIABLE = "VISAPI_ACCOUNT_CREDENTIALS"
_read_value: Reader[Any] = Reader(Any, depth_max=8, bytes_max=64 * 1024)
_TIME = "%Y-%m-%d %H:%M:%S"
Name = Annotated[str, typer.Argument(help="The account's name.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Credentials = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        metavar="FILE",
        help=f"A file with a JSON object, or - for stdin; else the variable {VARIABLE}.",
        allow_dash=True,
    ),
]


@accounts.command()
def put(  # noqa: PLR0913 (each is an option of the command)
    *,
    name: Name,
    kind: Annotated[str, typer.Option(help=f"{' or '.join(get_args(Kind))}.")],
    credentials: Credentials = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting, such as host=mail.example.com."),
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Calls that name no account use this account of its kind.")
    ] = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """Store an account, or its next version.

    Example: visapi account put mail --kind smtp --set host=mail.acme.example --set from=hi@acme.example
    --credentials mail.json
    """
    if kind not in get_args(Kind):
        fail(f"there is no kind {kind!r}", hint=f"Kinds: {', '.join(get_args(Kind))}.", code=USAGE)
    given = {"kind": kind, "settings": _settings(settings or []), "credentials": _read(credentials)}
    wanted = msgspec.convert(given | {"default": default}, PutAccount)
    with connected(url, data_dir) as client:
        _show(client.send(operations.put_account(name, wanted)), json=json)


@accounts.command(name="list")
def list_(url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """List the first 200 accounts, by name, without their credentials."""
    with connected(url, data_dir) as client:
        page = client.send(operations.list_accounts())
    if json:
        as_json(page)
        return
    _table(page.items)


@accounts.command()
def get(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Print an account and its versions as JSON, without credentials."""
    with connected(url, data_dir) as client:
        account = client.send(operations.get_account(name))
        versions = client.send(operations.list_account_versions(name))
    as_json({**msgspec.to_builtins(account), "versions": msgspec.to_builtins(versions.items)})


@accounts.command()
def verify(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """Try the credentials at the provider, without sending anything. The code is 1 where the provider does
    not accept the current ones.
    """
    with connected(url, data_dir) as client:
        verification = client.send(operations.verify_account(name))
    if json:
        as_json(verification)
    else:
        shown = Table("version", "state", "outcome", "took", "detail", elastic=("detail",))
        for one in verification.versions:
            shown.add_row(str(one.version), one.state, one.outcome, f"{one.took_ms} ms", one.detail)
        shown.show()
    if not verification.verified:
        raise typer.Exit(1)


@accounts.command()
def rotate(
    *,
    name: Name,
    credentials: Credentials = None,
    overlap: Annotated[
        float,
        typer.Option(
            min=0, max=720, metavar="HOURS", help="How long the earlier credentials are tried as well."
        ),
    ] = 24.0,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """Give an account new credentials. The settings stay."""
    wanted = RotateAccount(_read(credentials), overlap_s=round(overlap * 3600))
    call = operations.rotate_account(name, wanted)
    with connected(url, data_dir) as client:
        _show(client.send(call), json=json)


@accounts.command()
def confirm(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR, json: Json = False) -> None:
    """End the overlap of a rotation: only the current credentials are used."""
    call = operations.confirm_account(name)
    with connected(url, data_dir) as client:
        _show(client.send(call), json=json)


@accounts.command()
def rollback(
    *,
    name: Name,
    version: Annotated[int | None, typer.Option(help="Else the version before the current one.")] = None,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Json = False,
) -> None:
    """Use the settings and credentials of an earlier version again."""
    call = operations.roll_back_account(name, version=version)
    with connected(url, data_dir) as client:
        _show(client.send(call), json=json)


@accounts.command()
def delete(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Remove an account and its credentials; calls that name it fail."""
    with connected(url, data_dir) as client:
        client.send(operations.remove_account(name))
    done(f"removed {name}")


def _settings(given: list[str]) -> dict[str, Any]:
    """Values are JSON where they can be read as such, such as a port or a list of senders; else text."""
    found: dict[str, Any] = {}
    for one in given:
        name, mark, value = one.partition("=")
        if not mark:
            fail(f"{one!r} is no setting", hint="Write NAME=VALUE.", code=USAGE)
        read = _read_value(value.encode())
        found[name] = value if isinstance(read, Unreadable) else read
    return found


def _read(path: Path | None) -> dict[str, Any]:
    """The credentials: a JSON object. Ends the command without showing any part of them."""
    try:
        if path is None:
            given = os.environ.get(VARIABLE, "").encode()
        else:
            given = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        fail(f"the credentials cannot be read: {error.strerror}", code=USAGE)
    read = read_as(dict[str, Any], given)
    if isinstance(read, Unreadable):
        hint = f'Write a file such as {{"username": …, "password": …}} for --credentials, or set {VARIABLE}.'
        fail("the credentials are no JSON object", hint=hint, code=USAGE)
    return read


def _show(account: AccountView, *, json: bool) -> None:
    if json:
        as_json(account)
        return
    overlap = account.overlap
    also = (
        "" if overlap is None else f"; version {overlap.version} is tried too until {overlap.until:{_TIME}}"
    )
    done(f"{account.name} ({account.kind}) is at version {account.version}{also}")


def _table(items: list[AccountView]) -> None:
    shown = Table("name", "kind", "default", "version", "credentials", "updated", elastic=("credentials",))
    for one in items:
        credentials = ", ".join(
            part.name if part.ends_with is None else f"{part.name} …{part.ends_with}"
            for part in one.credentials
        )
        default = "default" if one.default else ""
        updated = f"{one.updated_at:{_TIME}}"
        shown.add_row(one.name, one.kind, default, str(one.version), credentials, updated)
    shown.show()
