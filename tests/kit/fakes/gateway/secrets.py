"""Secrets in memory."""

from collections.abc import Sequence

from kit.fakes.gateway.tables import GatewayTables
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.secrets import SecretView
from visapi_gateway.kernel.api.etags import Check
from visapi_gateway.secrets.service import NewSecret, PutSecret


class FakeSecrets:
    """See `secrets.service.SecretStore`."""

    def __init__(self, tables: GatewayTables) -> None:
        self._tables = tables
        self._shown: dict[tuple[str, str], SecretView] = {}
        self.sealed: dict[tuple[str, str], NewSecret] = {}
        """What no port reads back, by tenant and name."""

    async def put(self, secret: NewSecret, audit: AuditEntry, check: Check) -> PutSecret:
        place = (secret.tenant, secret.name)
        check(self._shown.get(place))
        fresh = place not in self.sealed
        self.sealed[place] = secret
        self._shown[place] = SecretView(secret.name, secret.hosts, self._tables.now, secret.by)
        self._tables.record(audit)
        return PutSecret(self._shown[place], fresh)

    async def one(self, tenant: str, name: str) -> SecretView | None:
        return self._shown.get((tenant, name))

    async def page(self, tenant: str, after: str | None, limit: int) -> Sequence[SecretView]:
        mine = sorted(place for place in self._shown if place[0] == tenant and place[1] > (after or ""))
        return [self._shown[place] for place in mine[:limit]]

    async def remove(self, name: str, audit: AuditEntry, check: Check) -> bool:
        stands = self._shown.get((audit.tenant, name))
        if stands is None:
            return False
        check(stands)
        del self._shown[audit.tenant, name]
        del self.sealed[audit.tenant, name]
        self._tables.record(audit)
        return True
