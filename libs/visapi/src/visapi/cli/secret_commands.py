"""`visapi secret set|list|remove`: values that workflows use and nobody reads.

A value comes from a file or from stdin, never from the command line, which other users of the machine can
see.
"""

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Url, connected
from visapi.cli.output import USAGE, as_json, done, fail, say
from visapi.cli.tables import Table
from visapi.client import secret_operations as operations
from visapi_common.contracts.foreign import Unreadable, read_as

secrets = typer.Typer(no_args_is_help=True, help="Store, list and remove secrets.")
Name = Annotated[str, typer.Argument(help="The secret's name, as workflows list it under `use.secrets`.")]


@secrets.command(name="set")
def set_(  # noqa: PLR0913 (each is an option of the command)
    *,
    name: Name,
    value: Annotated[
        Path, typer.Option("--value", metavar="FILE", allow_dash=True, help="A file, or - for stdin.")
    ],
    structured: Annotated[
        bool, typer.Option("--structured", help="The file holds JSON, such as a user name and a password.")
    ] = False,
    host: Annotated[
        list[str] | None, typer.Option(help="A host that may be sent the secret; may be repeated.")
    ] = None,
    short: Annotated[
        bool, typer.Option("--short", help="Admit less than 8 characters, which cannot be masked reliably.")
    ] = False,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Store a secret, or replace it. Of a text, one line break at its end is left out."""
    content = _content(value, structured=structured)
    with connected(url, data_dir) as client:
        client.send(operations.put_secret(name, content, hosts=host, short=short))
    done(f"stored {name}")


@secrets.command(name="list")
def list_(
    limit: Annotated[int, typer.Option("--limit", "-L", min=1, max=100_000)] = 200,
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List secrets, without their values."""
    with connected(url, data_dir) as client:
        found = list(islice(client.secrets.list(), limit))
    if json:
        as_json(found)
        return
    if not found:
        say("no secrets")
        return
    shown = Table("name", "hosts", "changed", "by", elastic=("hosts", "by"))
    for one in found:
        hosts = "any" if one.hosts is None else ", ".join(one.hosts)
        shown.add_row(one.name, hosts, f"{one.updated_at:%Y-%m-%d %H:%M:%S}", one.updated_by)
    shown.show()


@secrets.command()
def remove(name: Name, url: Url = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Remove a secret. Calls that name it fail from then on."""
    with connected(url, data_dir) as client:
        client.send(operations.remove_secret(name))
    done(f"removed {name}")


def _content(path: Path, *, structured: bool) -> Any:
    try:
        body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        if not structured:
            return body.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"cannot read the secret from {path}: {error}", code=USAGE)
    read = read_as(object, body)
    if isinstance(read, Unreadable):
        fail(f"{path} is not JSON: {read.reason}", code=USAGE)
    return read
