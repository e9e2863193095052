"""`visapi admin tenant create|list|disable|enable|rate`: tenants, straight in the database."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from visapi.admin import tenants as admin
from visapi.admin.operators import actor
from visapi.admin.settings import owner_url
from visapi.admin.tenants import NoSuchTenantError
from visapi.cli.admin_tenant_rates import rate
from visapi.cli.admin_work import run, settings, usage_errors
from visapi.cli.output import as_json, done, fail, say
from visapi.cli.tables import Table

tenants = typer.Typer(
    no_args_is_help=True, help="Make, list, bound and disable tenants, as the owner of the database."
)
tenants.command()(rate)

Tenant = Annotated[str, typer.Argument(help="1 to 63 lower-case letters, digits and dashes.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the audit of the tenant.")]


@tenants.command()
def create(tenant: Tenant) -> None:
    """Make a tenant. May be repeated."""
    url, by = _acting()
    with usage_errors():
        admin.check_tenant(tenant)
    made = run(admin.create_tenant(url, tenant, actor=by))
    done(f"{tenant} was made" if made else f"{tenant} is there")


@tenants.command(name="list")
def list_(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List tenants with the number of their keys."""
    url, _ = _acting()
    found = run(admin.list_tenants(url))
    if json:
        as_json(found)
        return
    shown = Table("tenant", "keys", "state", "created")
    for each in found:
        state = "active" if each.disabled_at is None else f"disabled {each.disabled_at:%Y-%m-%d %H:%M}"
        shown.add_row(each.id, str(each.keys), state, f"{each.created_at:%Y-%m-%d %H:%M}")
    shown.show()


@tenants.command()
def disable(tenant: Tenant, reason: Reason = None) -> None:
    """Refuse the keys of a tenant within seconds, and start no more runs for it.

    Its schedules wait, and events of its producers become dead letters. Open runs continue; suspend them
    first if they must not (`visapi run bulk suspend`, with a key of the tenant).
    """
    if _switch(admin.disable_tenant, tenant, reason):
        done(f"{tenant} is disabled; gateways refuse its keys within 5 s")
        say("No more runs start for it. Its open runs continue, and its NATS user may still connect.")
    else:
        done(f"{tenant} was disabled before")


@tenants.command()
def enable(tenant: Tenant, reason: Reason = None) -> None:
    """Enable a disabled tenant: its keys, its schedules and its events."""
    changed = _switch(admin.enable_tenant, tenant, reason)
    done(f"{tenant} is enabled" if changed else f"{tenant} was not disabled")


def _switch(switch: Callable[..., Coroutine[Any, Any, bool]], tenant: str, reason: str | None) -> bool:
    url, by = _acting()
    try:
        return run(switch(url, tenant, actor=by, reason=reason))
    except NoSuchTenantError as error:
        fail(str(error))


def _acting() -> tuple[str, str]:
    """The owner's URL, and the acting operator."""
    given = settings()
    with usage_errors():
        return owner_url(given), actor(given.operator)
