"""Accounts at providers, written by the gateway's own use cases."""

from secrets import token_bytes
from typing import Any

from visapi_common.adapters.clock import RandomIds, SystemClock
from visapi_common.adapters.pool import Pool
from visapi_common.contracts.accounts import PutAccount, RotateAccount
from visapi_common.core.keyrings import Keyring
from visapi_gateway.accounts.service import Accounts
from visapi_gateway.accounts.store import PgAccountStore
from visapi_gateway.kernel.access.scopes import Requester
from visapi_gateway.kernel.quotas import Quotas
from visapi_gateway.kernel.sealing import SealingKeys


class AccountRows:
    """The accounts of one tenant, on a pool of the gateway."""

    def __init__(self, pool: Pool, keys: Keyring, tenant: str = "default") -> None:
        sealing = SealingKeys(keys, "credentials of accounts", random=token_bytes, clock=SystemClock())
        self._accounts = Accounts(PgAccountStore(pool, Quotas()), sealing, RandomIds())
        self._who = Requester("a", tenant, "live", frozenset("*"), request_id="r1")

    async def put(self, name: str, **wanted: Any) -> None:
        await self._accounts.put(self._who, name, PutAccount(**wanted))

    async def rotate(self, name: str, **credentials: str) -> None:
        await self._accounts.rotate(self._who, name, RotateAccount(credentials), None)

    async def confirm(self, name: str) -> None:
        await self._accounts.confirm(self._who, name, None)

    async def remove(self, name: str) -> None:
        await self._accounts.remove(self._who, name)
