"""`visapi admin tenant rate`: the limits of a tenant, directly in the database."""

from typing import Annotated

import msgspec
import typer

from visapi.admin import tenant_rates as admin
from visapi.admin.operators import actor
from visapi.admin.settings import owner_url
from visapi.admin.tenant_rates import TenantRate
from visapi.admin.tenants import NoSuchTenantError
from visapi.cli.admin_work import run, settings, usage_errors
from visapi.cli.output import USAGE, as_json, done, fail
from visapi.cli.tables import Table

_NAMES = {
    "per_s": "requests per second",
    "burst": "requests at once",
    "runs_per_day": "runs per day (UTC)",
    "runs_per_month": "runs per month (UTC)",
    "open_runs_max": "open runs",
}


def rate(  # noqa: PLR0913 (each is an option of the command)
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    *,
    per_s: Annotated[
        float | None, typer.Option(min=0.001, max=1_000_000, help="Requests per second.")
    ] = None,
    burst: Annotated[int | None, typer.Option(min=1, max=10_000_000, help="Requests at once.")] = None,
    runs_per_day: Annotated[int | None, typer.Option(min=0, help="Runs started over HTTP in a day.")] = None,
    runs_per_month: Annotated[int | None, typer.Option(min=0, help="The same in a month.")] = None,
    open_runs: Annotated[int | None, typer.Option(min=0, help="Open runs at most.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to the settings' defaults.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the audit of the tenant.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the limits of a tenant, or change those that are given.

    Gateways apply a change within 5 s.
    """
    change = TenantRate(
        per_s=per_s,
        burst=burst,
        runs_per_day=runs_per_day,
        runs_per_month=runs_per_month,
        open_runs_max=open_runs,
    )
    if reset and change != TenantRate():
        fail("--reset goes with no other limit", code=USAGE)
    given = settings()
    with usage_errors():
        url, by = owner_url(given), actor(given.operator)
    if reset:
        work = admin.reset_tenant_rate(url, tenant, actor=by, reason=reason)
    elif change != TenantRate():
        work = admin.set_tenant_rate(url, tenant, change, actor=by, reason=reason)
    else:
        work = admin.read_tenant_rate(url, tenant)
    try:
        applies = run(work)
    except NoSuchTenantError as error:
        fail(str(error))
    if reset or change != TenantRate():
        done(f"the rate of {tenant} was {'reset' if reset else 'set'}; gateways hear of it within 5 s")
    _show(applies, json=json)


def _show(applies: TenantRate, *, json: bool) -> None:
    if json:
        as_json(applies)
        return
    shown = Table("limit", "value")
    for name, value in msgspec.structs.asdict(applies).items():
        shown.add_row(_NAMES[name], "default" if value is None else f"{value:,}")
    shown.show()
