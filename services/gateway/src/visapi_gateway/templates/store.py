"""Templates and their versions in PostgreSQL."""

from collections.abc import Sequence

from visapi_common.adapters.audit_log import record
from visapi_common.adapters.pool import Connection, Pool, tenant_transaction
from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.templates import TemplateView
from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.templates.service import AuditOf, Check, NewVersion

_SQL = load_queries("visapi_gateway.templates", "queries.sql")


class PgTemplateRows:
    """See `templates.service.TemplateRows`."""

    def __init__(self, pool: Pool, quotas: Quotas) -> None:
        self._pool = pool
        self._quotas = quotas

    async def refuse(self, new: NewVersion, check: Check) -> None:
        place = (new.tenant, new.name)
        async with tenant_transaction(self._pool, [new.tenant]) as connection:
            newest = await _newest(connection, *place)
            check(newest)
            _refuse_other_kind(new, await connection.fetchval(_SQL["template_kind"], *place) or new.kind)
            if newest is None or newest.sha256 != new.sha256:
                await self._quotas.refuse_full(connection, new.tenant, "templates", more=1)

    async def put(self, new: NewVersion, check: Check, audit: AuditOf) -> tuple[TemplateView, bool]:
        place = (new.tenant, new.name)
        async with tenant_transaction(self._pool, [new.tenant]) as connection:
            await connection.execute(_SQL["add_template"], *place, new.kind)
            row = await connection.fetchrow(_SQL["lock_template"], *place)
            assert row is not None, "the transaction has added it, or found it"
            newest = await _newest(connection, *place)
            check(newest)
            _refuse_other_kind(new, row["kind"])
            if newest is not None and newest.sha256 == new.sha256:
                return newest, False
            await self._quotas.refuse_full(connection, new.tenant, "templates", more=1)
            version: int = row["latest"] + 1
            sha256 = bytes.fromhex(new.sha256)
            more = (new.size, new.default_locale, new.locales, new.description, new.created_by)
            await connection.execute(_SQL["add_version"], *place, version, sha256, *more)
            await connection.execute(_SQL["set_latest"], *place, version)
            made = await _newest(connection, *place)
            assert made is not None, "the transaction has added it"
            await self._quotas.check(connection, new.tenant, "templates")
            await record(connection, audit(made))
        return made, True

    async def one(self, tenant: str, name: str, version: int | None) -> TemplateView | None:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            if version is None:
                return await _newest(connection, tenant, name)
            row = await connection.fetchrow(_SQL["one_version"], tenant, name, version)
        return None if row is None else TemplateView(**row)

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[TemplateView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["list_templates"], tenant, after, limit)
        return [TemplateView(**row) for row in rows]

    async def versions(self, tenant: str, name: str, below: int | None, limit: int) -> Sequence[TemplateView]:
        async with tenant_transaction(self._pool, [tenant]) as connection:
            rows = await connection.fetch(_SQL["list_versions"], tenant, name, below, limit)
        return [TemplateView(**row) for row in rows]

    async def retire(self, name: str, check: Check, audit: AuditEntry) -> bool:
        place = (audit.tenant, name)
        async with tenant_transaction(self._pool, [audit.tenant]) as connection:
            await connection.fetchrow(_SQL["lock_template"], *place)
            newest = await _newest(connection, *place)
            if newest is None:
                return False
            check(newest)
            await connection.execute(_SQL["retire"], *place)
            await record(connection, audit)
        return True


async def _newest(connection: Connection, tenant: str, name: str) -> TemplateView | None:
    row = await connection.fetchrow(_SQL["newest"], tenant, name)
    return None if row is None else TemplateView(**row)


def _refuse_other_kind(new: NewVersion, kind: str) -> None:
    if kind != new.kind:
        detail = f"{new.name!r} is a template of kind {kind}; choose another name"
        raise ProblemError("template_exists", detail, status=409)
