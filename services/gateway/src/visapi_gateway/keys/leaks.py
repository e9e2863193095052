"""Reports of leaked keys: whoever shows a whole key has it revoked. Having the key is proof enough."""

from typing import Protocol

from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.keys import LeakReceived, LeakReport
from visapi_common.core import api_keys
from visapi_common.core.errors import ProblemError
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.kernel.access.stored_keys import StoredKey
from visapi_gateway.kernel.problems import invalid_field
from visapi_gateway.keys.service import AnnounceChange, KeyStore

ACTOR = "leak-report"
_RECEIVED = LeakReceived("Thank you. If the key was one of ours and still worked, it is revoked now.")


class Owner(Protocol):
    def __call__(self, token: str) -> StoredKey:
        """The key that a token is. Raises `ProblemError` 401 for a token that is none."""
        ...


class Count(Protocol):
    def __call__(self) -> None: ...


class Charge(Protocol):
    def __call__(self) -> None:
        """Count a report that revokes nothing. Raises `ProblemError` 429."""
        ...


class LeakReports:
    """The use case. `count` counts the keys that were revoked."""

    def __init__(self, store: KeyStore, owner: Owner, announce: AnnounceChange, count: Count) -> None:
        self._store = store
        self._owner = owner
        self._announce = announce
        self._count = count
        self._log = get_logger("keys")

    async def __call__(self, report: LeakReport, request_id: str, charge: Charge) -> LeakReceived:
        """Revoke the key of a report. The answer does not tell whether there is such a key. Raises
        `ProblemError` 400 for a text that is no key, what `charge` raises, and the faults of the store.
        """
        token = report.key.strip()
        owner = self._owner_of(token)
        if owner is None or (owner.disabled_at is not None and not owner.may_return):
            charge()
            _check_format(token)
            return _RECEIVED
        reason = f"reported as leaked: {report.found_at}" if report.found_at else "reported as leaked"
        if await self._revoke(owner, reason, request_id):
            self._count()
            self._log.error("key_leaked", key=owner.id, tenant=owner.tenant)
        return _RECEIVED

    def _owner_of(self, token: str) -> StoredKey | None:
        try:
            return self._owner(token)
        except ProblemError:
            return None

    async def _revoke(self, owner: StoredKey, reason: str, request_id: str) -> bool:
        """Returns whether the key was not revoked before."""
        async with self._store.locked(owner.tenant, owner.id) as locked:
            if locked is None or locked.view.status == "revoked":
                return False
            await locked.end(may_return=False, reason=reason)
            target = f"key:{owner.id}"
            audit = AuditEntry(owner.tenant, ACTOR, AuditAction.KEY_LEAK, target, reason, request_id, {})
            await locked.record(audit)
        await self._announce(owner.id)
        return True


def _check_format(token: str) -> None:
    try:
        api_keys.parse(token)
    except ValueError:
        raise invalid_field("/key", "this is not a VisAPI key: its format or its checksum is wrong") from None
