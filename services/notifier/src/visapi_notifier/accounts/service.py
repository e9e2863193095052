"""Finds the account of a call: the account that the call names, else the tenant's default of the kind."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from visapi_common.contracts.account_kinds import Kind
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.clocks import MonotonicClock
from visapi_common.core.errors import Fault, PermanentFault
from visapi_common.core.keyrings import Keyring, MissingKeyError
from visapi_common.core.sealing import UnsealError, name_of_account_version, unseal_with
from visapi_common.runtime.isolation import begin_counting
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.logs import get_logger
from visapi_common.worker.faults import Postponed, TaskFault
from visapi_notifier.accounts.rules import (
    Account,
    OpenedVersion,
    SealedAccount,
    SealedVersion,
    no_such_account,
    opened,
    other_kind,
    secrets_of,
)
from visapi_notifier.outbound.rules.masking import Mask

KEPT_S = 5.0
"""Seconds for which an account, or the absence of one, is used without another read."""
KEPT_MAX = 2048
KEY_RETRY_S = 5.0

AccountRows = Callable[[str, Kind, str | None], Awaitable[SealedAccount | None]]
"""Reads the account of a tenant by its name; without a name, the default of the kind. Raises `Fault`."""
_Place = tuple[str, str, str | None]


class Accounts:
    """Shared by all channels of the process. Rows are kept sealed and are opened for each task, so an account
    that cannot be opened fails its own tasks only.
    """

    def __init__(
        self, rows: AccountRows, keys: Keyring | None, clock: MonotonicClock, metrics: Metrics
    ) -> None:
        self._rows = rows
        self._keys = keys
        self._clock = clock
        self._metrics = metrics
        self._kept: OrderedDict[_Place, tuple[float, SealedAccount | None]] = OrderedDict()
        self._log = get_logger("accounts")
        begin_counting("accounts", [MissingKeyError.SORT], metrics)

    async def find(self, kind: Kind, name: str | None, message: TaskMessage, mask: Mask) -> Account | None:
        """The account; None where the call names none and the tenant has no default. Its secrets are added to
        `mask` first.

        A version that cannot be opened is left out while the other one can; `Account.key_missing` says that
        the operator's key of a version is missing. Raises `TaskFault` for an account that does not exist,
        `PermanentFault` for an account of which no version can be opened, and `Postponed` where that needs a
        key that the operator has not set. No effect has begun.
        """
        account = await self._row(message.tenant, kind, name)
        if account is None:
            if name is None:
                return None
            raise TaskFault(no_such_account(name))
        if account.kind != kind:
            raise TaskFault(other_kind(account, kind))
        try:
            return self._opened(message.tenant, kind, account, mask)
        except MissingKeyError as fault:
            raise Postponed(KEY_RETRY_S) from fault

    async def _row(self, tenant: str, kind: Kind, name: str | None) -> SealedAccount | None:
        place, now = (tenant, kind, name), self._clock.monotonic()
        until, account = self._kept.get(place, (now, None))
        if until <= now:
            account = await self._rows(tenant, kind, name)
            self._kept[place] = (now + KEPT_S, account)
            self._kept.move_to_end(place)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        return account

    def _opened(self, tenant: str, kind: Kind, account: SealedAccount, mask: Mask) -> Account:
        if self._keys is None:
            raise PermanentFault("accounts cannot be opened here; the notifier needs VISAPI_SEALING_KEY")
        found: list[OpenedVersion] = []
        failures: list[Fault] = []
        for version in account.versions:
            try:
                one = open_version(self._keys, tenant, kind, account.name, version)
            except (MissingKeyError, PermanentFault) as fault:
                failures.append(fault)
                self._tell(tenant, account.name, version, fault)
                continue
            mask.add(secrets_of(kind, one))
            found.append(one)
        missing = next((one for one in failures if isinstance(one, MissingKeyError)), None)
        if not found:
            raise missing or failures[0]
        return Account(account.name, tuple(found), key_missing=missing is not None)

    def _tell(self, tenant: str, account: str, version: SealedVersion, fault: Fault) -> None:
        """A version that cannot be opened is passed by, and told each time."""
        if isinstance(fault, MissingKeyError):
            self._metrics.operator_faults.labels("accounts", fault.sort).inc()
        event = "key_missing" if isinstance(fault, MissingKeyError) else "version_unreadable"
        self._log.error(event, tenant=tenant, account=account, version=str(version.id), detail=str(fault))


def open_version(
    keys: Keyring, tenant: str, kind: Kind, account: str, version: SealedVersion
) -> OpenedVersion:
    """Raises `MissingKeyError` where the operator's key is gone, and `PermanentFault` where the credentials
    are damaged or of a shape that this release cannot read.
    """
    place = name_of_account_version(account, version.id)
    try:
        credentials = unseal_with(keys, version.sealed, key_id=version.sealed_with, tenant=tenant, name=place)
    except UnsealError as wrong:
        raise PermanentFault(
            f"the credentials of the account {account!r} cannot be opened; rotate them"
        ) from wrong
    return opened(kind, version, credentials)
