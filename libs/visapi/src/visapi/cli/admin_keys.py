"""`visapi admin key create`: API keys, straight in the database."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from visapi.admin import keys as admin
from visapi.admin import settings as admin_settings
from visapi.admin.keys import KeptKey, KeptKeyError, WantedKey
from visapi.admin.kubernetes_secrets import KubernetesSecret
from visapi.admin.operators import actor
from visapi.admin.private_files import write_private
from visapi.admin.settings import AdminSettings
from visapi.admin.tenants import NoSuchTenantError
from visapi.cli.admin_work import run, settings, usage_errors
from visapi.cli.key_commands import Kind
from visapi.cli.output import console, done, fail, say
from visapi_common.core.api_keys import parse
from visapi_common.core.errors import Fault
from visapi_common.core.keyrings import Keyring

SECRET_KEY = "api-key"  # noqa: S105 (the name of an entry)

keys = typer.Typer(no_args_is_help=True, help="Make API keys, as the owner of the database.")


@keys.command()
def create(
    *,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    kind: Annotated[Kind, typer.Option()] = Kind.ADMIN,
    tenant: Annotated[str, typer.Option(help="Whose key it is.")] = "default",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="May be repeated; else all but keys:admin, accounts:write, endpoints:write, hooks:write, "
            "secrets:write, retention:write, artifacts:write and audit:read. A key of kind admin has all of "
            "them; tenants:admin only when it is named."
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
    secret: Annotated[
        str | None,
        typer.Option(
            help="Keep the key in this Secret of Kubernetes, as `api-key`, instead of printing it; as with "
            "--file. The account of the pod needs get and patch on the Secret, which must exist."
        ),
    ] = None,
) -> None:
    """Make a key. It is printed once and cannot be shown again.

    Needs VISAPI_OWNER_URL, and VISAPI_KEY_PEPPER as the gateway has it.
    """
    given = settings()
    with usage_errors():
        url, peppers = admin_settings.owner_url(given), admin_settings.key_pepper(given)
        scopes, by = admin.check_scopes(kind.value, scope or []), actor(given.operator)
        keeper = _keeper(file, secret, given)
    wanted = WantedKey(
        name=name, made_by="visapi admin", actor=by, tenant=tenant, kind=kind.value, scopes=scopes
    )
    try:
        if keeper is not None:
            done(f"{keeper.name} holds the key {_ensured(url, peppers, wanted, keeper)}")
            return
        key = run(admin.create_key(url, peppers, wanted))
    except NoSuchTenantError as error:
        fail(str(error))
    say("Keep this key; it is not shown again. Gateways know it within 5 seconds.")
    console().print(key)


class _Keeper(NamedTuple):
    """The place of a key: its current content, and how to replace it."""

    name: str
    kept: KeptKey | None
    keep: Callable[[str], None]


def _ensured(url: str, peppers: Keyring, wanted: WantedKey, keeper: _Keeper) -> str:
    """The id of the key that is kept now."""
    try:
        return parse(run(admin.ensure_key(url, peppers, wanted, kept=keeper.kept, keep=keeper.keep))).id
    except KeptKeyError as error:
        fail(f"{keeper.name} {error}; name another one, or remove this one to make a new key")


def _keeper(file: Path | None, secret: str | None, given: AdminSettings) -> _Keeper | None:
    """Raises `ValueError` for both, and for a value that holds no key."""
    if file is not None and secret is not None:
        raise ValueError("--file and --secret are both given; keep one of them")
    if file is not None:
        return _Keeper(str(file), _kept(file), partial(_write, file))
    if secret is None:
        return None
    try:
        entry = KubernetesSecret(secret, SECRET_KEY, account=Path(given.kubernetes_account))
        found = entry.read()
    except Fault as error:
        fail(str(error))
    name = f"the Secret {secret}"
    return _Keeper(name, _kept_key(name, found.text or "", recent=found.recent), entry.write)


def _write(file: Path, key: str) -> None:
    write_private(file.absolute(), f"{key}\n".encode())


def _kept(file: Path | None) -> KeptKey | None:
    if file is None or not file.exists():
        return None
    text = file.read_text(encoding="utf-8", errors="replace").strip()
    return _kept_key(str(file), text, recent=admin.written_recently(file))


def _kept_key(name: str, text: str, *, recent: bool) -> KeptKey | None:
    try:
        return KeptKey(parse(text).token, recent) if text else None
    except ValueError:
        raise ValueError(
            f"{name} holds something other than an API key; name another one, or remove this one"
        ) from None
