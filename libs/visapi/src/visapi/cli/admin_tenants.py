"""`visapi admin tenant create|list|disable|enable`: tenants, straight in the database."""

from typing import Annotated

import typer

from visapi.admin import tenants as admin
from visapi.cli.admin_work import owner_url, run, usage_errors
from visapi.cli.output import as_json, done, fail, say
from visapi.cli.tables import Table

tenants = typer.Typer(
    no_args_is_help=True, help="Make, list and disable tenants, as the owner of the database."
)

Tenant = Annotated[str, typer.Argument(help="1 to 63 lower-case letters, digits and dashes.")]


@tenants.command()
def create(tenant: Tenant) -> None:
    """Make a tenant. May be repeated."""
    url = owner_url()
    with usage_errors():
        admin.check_tenant(tenant)
    made = run(admin.create_tenant(url, tenant))
    done(f"{tenant} was made" if made else f"{tenant} is there")


@tenants.command(name="list")
def list_(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List tenants with the number of their keys."""
    found = run(admin.list_tenants(owner_url()))
    if json:
        as_json(found)
        return
    shown = Table("tenant", "keys", "state", "created")
    for each in found:
        state = "active" if each.disabled_at is None else f"disabled {each.disabled_at:%Y-%m-%d %H:%M}"
        shown.add_row(each.id, str(each.keys), state, f"{each.created_at:%Y-%m-%d %H:%M}")
    shown.show()


@tenants.command()
def disable(tenant: Tenant) -> None:
    """Refuse every key of a tenant, within seconds. Its runs, schedules and workers go on."""
    if not run(admin.disable_tenant(owner_url(), tenant)):
        fail(f"there is no tenant {tenant}")
    done(f"{tenant} is disabled; gateways refuse its keys within 5 s")
    say("Its runs and schedules go on, and so does its NATS user.")


@tenants.command()
def enable(tenant: Tenant) -> None:
    """Accept the keys of a disabled tenant again."""
    if not run(admin.enable_tenant(owner_url(), tenant)):
        fail(f"there is no tenant {tenant}")
    done(f"{tenant} is enabled")
