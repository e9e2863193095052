"""Accounts at providers."""

from visapi_gateway.accounts import routes
from visapi_gateway.accounts.routes import AccountRoutes
from visapi_gateway.accounts.service import Accounts
from visapi_gateway.accounts.store import PgAccountStore
from visapi_gateway.accounts.verifying import Verifications
from visapi_gateway.kernel.api.operation import Route
from visapi_gateway.kernel.slice import Kernel, Slice


def open_routes(kernel: Kernel) -> list[Route]:
    store, keys = PgAccountStore(kernel.pool, kernel.quotas), kernel.sealing_keys("credentials of accounts")
    accounts = Accounts(store, keys, kernel.ids)
    verifications = Verifications(accounts, kernel.messages.ask, store)
    return AccountRoutes(accounts, verifications, kernel.cursors).routes()


SLICE = Slice([routes], open_routes)
