"""`visapi admin key create`: API keys, straight in the database."""

from pathlib import Path
from typing import Annotated

import typer

from visapi.admin import keys as admin
from visapi.admin import settings as admin_settings
from visapi.admin.keys import KeptKey, KeptKeyError, NoSuchTenantError, WantedKey
from visapi.admin.private_files import write_private
from visapi.cli.admin_work import run, settings, usage_errors
from visapi.cli.key_commands import Kind
from visapi.cli.output import console, done, fail, say
from visapi_common.core.api_keys import parse

keys = typer.Typer(no_args_is_help=True, help="Make API keys, as the owner of the database.")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    kind: Annotated[Kind, typer.Option()] = Kind.ADMIN,
    tenant: Annotated[str, typer.Option(help="Whose key it is.")] = "default",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="May be repeated; else all but keys:admin, secrets:write, retention:write, audit:read."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Keep the key in this file, mode 0600, instead of printing it. A key in it that may be "
            "used stays, so the command may be repeated. A key that the database does not know is stored "
            "only when the file was written within the last hour."
        ),
    ] = None,
) -> None:
    """Make a key. It is printed once and cannot be shown again.

    Needs VISAPI_OWNER_URL, and VISAPI_KEY_PEPPER as the gateway has it.
    """
    given = settings()
    with usage_errors():
        url, pepper = admin_settings.owner_url(given), admin_settings.key_pepper(given)
        scopes = admin.check_scopes(kind.value, scope or [])
        kept = _kept(file)
    wanted = WantedKey(name=name, made_by="visapi admin", tenant=tenant, kind=kind.value, scopes=scopes)
    try:
        if file is None:
            key = run(admin.create_key(url, pepper, wanted))
        else:
            key = run(
                admin.ensure_key(
                    url,
                    pepper,
                    wanted,
                    kept=kept,
                    keep=lambda made: write_private(file.absolute(), f"{made}\n".encode()),
                )
            )
    except NoSuchTenantError as error:
        fail(str(error))
    except KeptKeyError as error:
        fail(f"{file} {error}; name another file, or remove this one to make a new key")
    if file is not None:
        done(f"{file} holds the key {parse(key).id}")
        return
    say("Keep this key; it is not shown again.")
    console().print(key)


def _kept(file: Path | None) -> KeptKey | None:
    if file is None or not file.exists():
        return None
    text = file.read_text(encoding="utf-8", errors="replace").strip()
    try:
        return KeptKey(parse(text).token, admin.written_recently(file)) if text else None
    except ValueError:
        raise ValueError(
            f"{file} holds something other than an API key; name another file, or remove it"
        ) from None
