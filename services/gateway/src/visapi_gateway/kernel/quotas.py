"""Quotas of rows per tenant, checked in the transaction that adds a row."""

from typing import Literal

import msgspec

from visapi_common.adapters.pg_faults import pg_faults
from visapi_common.adapters.pool import Connection, Pool
from visapi_common.adapters.queries import load_queries
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.full_tenants import OpenCount
from visapi_gateway.settings import GatewaySettings

_SQL = load_queries("visapi_gateway.kernel", "quotas.sql")
Kind = Literal[
    "versions",
    "schedules",
    "secrets",
    "keys",
    "retentions",
    "hooks",
    "rates",
    "endpoints",
    "accounts",
    "templates",
]

_NAMES: dict[Kind, tuple[str, str]] = {
    "accounts": ("accounts", "remove some with DELETE /v1/accounts/{account}"),
    "versions": ("deployed versions of workflows", "deploy to another tenant"),
    "schedules": ("workflows with a schedule", "deploy a version without a schedule where one is not needed"),
    "secrets": ("secrets", "remove some with DELETE /v1/secrets/{name}"),
    "keys": ("API keys that can be used, or that ended within the last hour", "revoke keys"),
    "endpoints": ("endpoints", "remove some with DELETE /v1/endpoints/{endpoint}"),
    "hooks": ("hooks", "remove some with DELETE /v1/hooks/{hook}"),
    "rates": ("rates of keys and of names", "reset some with DELETE /v1/keys/{key}/rate or /v1/rates/{rate}"),
    "templates": ("versions of templates", "store templates in another tenant"),
    "retentions": ("namespaces with a policy", "remove some with DELETE /v1/retention/{namespace}"),
}


class Quotas(msgspec.Struct, frozen=True):
    """The most that each tenant may have."""

    versions: int = 10_000
    schedules: int = 1_000
    secrets: int = 1_000
    keys: int = 1_000
    retentions: int = 1_000
    hooks: int = 1_000
    rates: int = 1_000
    endpoints: int = 50
    accounts: int = 50
    templates: int = 5_000

    @classmethod
    def of(cls, settings: GatewaySettings) -> "Quotas":
        """The quotas of the settings."""
        return cls(
            versions=settings.tenant_versions_max,
            schedules=settings.tenant_schedules_max,
            secrets=settings.tenant_secrets_max,
            keys=settings.tenant_keys_max,
            retentions=settings.tenant_retentions_max,
            hooks=settings.tenant_hooks_max,
            rates=settings.tenant_rates_max,
            endpoints=settings.tenant_endpoints_max,
            accounts=settings.tenant_accounts_max,
            templates=settings.tenant_templates_max,
        )

    async def check(self, connection: Connection, tenant: str, *kinds: Kind) -> None:
        """Raises `ProblemError` 409 when the tenant has too many rows, including the rows of this
        transaction.

        Call this after the rows are added and just before the audit is written: it takes a lock that is held
        until the transaction ends.
        """
        if not kinds:
            return
        await connection.execute(_SQL["lock_quota"], tenant)
        for kind in kinds:
            await self.refuse_full(connection, tenant, kind)

    async def refuse_full(self, connection: Connection, tenant: str, kind: Kind, *, more: int = 0) -> None:
        """Raises `ProblemError` 409 when the tenant would have too many rows with so many `more`.

        It takes no lock, so it refuses a tenant that is full before the transaction waits for anything. Of
        transactions at the same time `check` decides.
        """
        most: int = getattr(self, kind)
        if await connection.fetchval(_SQL[f"count_{kind}"], tenant, most) + more > most:
            raise _exceeded(kind, most)


async def read_full_tenants(pool: Pool) -> dict[str, OpenCount]:
    """Tenants that have at least half of the open runs that they may have."""
    with pg_faults():
        rows = await pool.fetch(_SQL["near_tenants"])
    return {row["tenant"]: OpenCount(row["open"], row["open_max"], row["counted_at"]) for row in rows}


def _exceeded(kind: Kind, most: int) -> ProblemError:
    what, how = _NAMES[kind]
    detail = f"a tenant may have {most:,} {what}; {how}, or raise VISAPI_TENANT_{kind.upper()}_MAX"
    return ProblemError("quota_exceeded", detail, status=409)
