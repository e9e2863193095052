"""`visapi admin rotate`, `reseal` and `rotation`."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from visapi.admin import rotation as rules
from visapi.admin import settings as admin_settings
from visapi.admin.private_files import write_private
from visapi.admin.resealing import Resealed
from visapi.admin.resealing import reseal as reseal_all
from visapi.admin.secret_files import make_password
from visapi.cli.admin_work import run, settings, usage_errors
from visapi.cli.finding_views import show
from visapi.cli.output import FAILURE, done, fail, say
from visapi.findings import Finding, Level
from visapi_common.core.keyrings import Keyring

STILL_NEEDED = 3
"""The exit code of `rotation` while something depends on an earlier key."""
_KEY_BYTES = 32


def rotate(
    file: Annotated[Path, typer.Argument(help="The file of a secret, such as secrets/key-pepper.")],
    after: Annotated[
        float, typer.Option(min=0, metavar="MINUTES", help="When the new key is used: after every restart.")
    ] = 60.0,
    drop: Annotated[
        bool,
        typer.Option("--drop", help="Take out the keys before the used one, once nothing needs them."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Drop keys that something depends on.")] = False,
) -> None:
    """Add a new key to a secret, or drop its earlier keys. Then restart the services that have the secret.

    `--drop` needs VISAPI_OWNER_URL, to find data that depends on the earlier keys. A password of PostgreSQL
    or NATS gets a new line before the old one; `--after` does not apply to it.
    """
    if rules.password_user(file.name) is not None:
        _rotate_password(file, drop=drop)
        return
    with usage_errors():
        if file.name not in rules.SERVICES:
            raise ValueError(
                f"{file.name} is no secret that can be rotated; those are {', '.join(rules.SERVICES)}, "
                "and the passwords postgres-<service>-password and nats-<user>-password"
            )
        ring, now = _ring_in(file), datetime.now(UTC)
        if drop:
            fresh = rules.without_earlier(ring, now)
        else:
            since = now + timedelta(minutes=after)
            fresh = rules.with_next(ring, secrets.token_bytes(_KEY_BYTES), since, now)
    services = rules.SERVICES[file.name]
    if drop:
        _check_free(file.name, ring, now, force=force)
        write_private(file.absolute(), fresh.text().encode())
        gone = ", ".join(key.id for key in ring.keys[len(fresh.keys) :])
        done(f"{file.name}: dropped {gone}; restart every replica of {services}")
        return
    write_private(file.absolute(), fresh.text().encode())
    newest = fresh.keys[0]
    done(f"{file.name}: key {newest.id} is used from {rules.moment(newest)}")
    say(f"restart every replica of {services} before that; the keys before it stay valid")


def _rotate_password(file: Path, *, drop: bool) -> None:
    user = rules.password_user(file.name)
    with usage_errors():
        known = _text_of(file).split()
        if not known:
            raise ValueError(f"{file} holds no password")
        kept = (
            rules.passwords_without_earlier(known)
            if drop
            else rules.passwords_with_next(known, make_password())
        )
    write_private(file.absolute(), "".join(f"{password}\n" for password in kept).encode())
    if drop:
        done(f"{file.name}: dropped the earlier password; hand the file to {user}")
        return
    done(f"{file.name}: holds a new password, and the earlier one")
    command = "roles" if file.name.startswith("postgres") else "nats-config"
    say(f"hand the file to {user}; then `visapi admin {command}` sets the new one, and `--drop` ends it")


def reseal() -> None:
    """Seal the secrets of tenants anew under the key that is used now. May be interrupted, and repeated.

    Needs VISAPI_OWNER_URL, and VISAPI_SEALING_KEY as gateway and notifier have it.
    """
    given = settings()
    with usage_errors():
        url, keys = admin_settings.owner_url(given), admin_settings.sealing_key(given)
    result: Resealed = run(reseal_all(url, keys, secrets.token_bytes))
    done(f"sealed {result.count} secrets under key {keys.at(datetime.now(UTC)).id}")
    if result.changed_meanwhile:
        say(f"{result.changed_meanwhile} were stored anew or removed meanwhile")
    if result.unreadable_count:
        some = ", ".join(result.unreadable)
        fail(f"{result.unreadable_count} secrets cannot be opened with these keys: {some}")


def rotation(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say for each secret that is set (VISAPI_KEY_PEPPER, …_SEALING_KEY, …_EFFECT_SECRET, …_HANDLE_SECRET,
    …_LINK_SECRET) the data that depends on its earlier keys. Exit code 3 while any does, 1 when a key is
    missing.
    """
    given = settings()
    with usage_errors():
        url, rings = admin_settings.owner_url(given), given.rings
        if not rings:
            raise ValueError("nothing to look at: set VISAPI_KEY_PEPPER or another secret with keys")
    found = run(rules.examine_rings(url, rings, datetime.now(UTC)))
    show(found, json=json)
    raise typer.Exit(_code(found))


def _code(found: list[Finding]) -> int:
    levels = {each.level for each in found}
    if Level.FAIL in levels:
        return FAILURE
    return STILL_NEEDED if Level.WARN in levels else 0


def _ring_in(file: Path) -> Keyring:
    text = _text_of(file)
    try:
        return Keyring.read(text)
    except ValueError as wrong:
        raise ValueError(f"{file} holds no ring of keys: {wrong}") from None


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} holds something other than UTF-8 text") from None


def _check_free(name: str, ring: Keyring, now: datetime, *, force: bool) -> None:
    if force:
        return
    given = settings()
    with usage_errors():
        url = admin_settings.owner_url(given) if given.owner_url or name != "link-secret" else None
    found = run(rules.examine_rings(url, {name: ring}, now))
    if any(each.level is not Level.OK for each in found):
        fail(f"{name}: {found[0].detail}; nothing was dropped", code=STILL_NEEDED)
