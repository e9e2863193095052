"""Has the notifier try the credentials of an account at its provider: the gateway cannot open them."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.accounts import AccountTried, AccountVerification, NotTried, TryAccount
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.contracts.formats import NEWEST
from visapi_common.core.errors import ProblemError, TransientFault, UnknownFault
from visapi_gateway.accounts.service import Accounts, no_such_account
from visapi_gateway.audit.rules import entry
from visapi_gateway.kernel.access.scopes import Requester

PATIENCE_S = 15.0
"""Longer than the notifier tries."""
_read = Reader(AccountTried, bytes_max=64 * 1024, newest=NEWEST.messages)
_encode = msgspec.json.Encoder().encode

Ask = Callable[[str, bytes, float], Awaitable[bytes]]
"""See `kernel.messages.Messages.ask`."""


class AuditLog(Protocol):
    async def note(self, audit: AuditEntry) -> None:
        """Commit an entry by itself."""
        ...


class Verifications:
    """The use case."""

    def __init__(self, accounts: Accounts, ask: Ask, log: AuditLog) -> None:
        self._accounts = accounts
        self._ask = ask
        self._log = log

    async def verify(self, who: Requester, name: str) -> AccountVerification:
        """What the provider says. What was or may have been tried is answered once its audit entry is
        committed; a refusal has none. Raises `ProblemError` 404, 429 and 503.
        """
        account = await self._accounts.one(who.tenant, name)
        try:
            tried = await self._tried(who.tenant, name)
        except UnknownFault as fault:
            await self._note(who, name, outcome="unknown")
            raise _unavailable(str(fault)) from fault
        if not tried.versions:
            raise no_such_account(name)
        outcomes = {str(one.version): one.outcome for one in tried.versions}
        await self._note(who, name, outcomes=outcomes)
        verified = any(one.state == "current" and one.outcome == "accepted" for one in tried.versions)
        return AccountVerification(name, account.kind, verified, tried.versions)

    async def _tried(self, tenant: str, name: str) -> AccountTried:
        question = _encode(TryAccount(tenant, name))
        try:
            answer = _read(await self._ask(subjects.CONTROL_ACCOUNTS, question, PATIENCE_S))
        except TransientFault as fault:
            raise _unavailable("no notifier listens") from fault
        except UnknownFault as fault:
            raise UnknownFault(f"the notifier did not answer within {PATIENCE_S:.0f} seconds") from fault
        if isinstance(answer, Unreadable):
            raise UnknownFault("the notifier's answer cannot be read")
        if answer.retry_after_s is not None:
            raise _not_tried(answer.not_tried, max(1, round(answer.retry_after_s)))
        return answer

    async def _note(self, who: Requester, name: str, **details: Any) -> None:
        await self._log.note(entry(who, AuditAction.ACCOUNT_VERIFY, f"account:{name}", **details))


def _not_tried(why: NotTried | None, wait_s: int) -> ProblemError:
    if why == "notifier_busy":
        return _unavailable("the notifier carries out as many verifications of all tenants as it can", wait_s)
    if why == "failed":
        return _unavailable("the notifier could not try the account", wait_s)
    detail = (
        "this tenant has as many verifications of accounts under way, or begun within a minute, as it may"
        f" have; send the request again after {wait_s} s"
    )
    return ProblemError("too_many_open", detail, status=429, headers={"Retry-After": str(wait_s)})


def _unavailable(why: str, wait_s: int = 2) -> ProblemError:
    detail = f"{why}, so whether the provider takes the credentials is not known; nothing was sent"
    return ProblemError("unavailable", detail, status=503, headers={"Retry-After": str(wait_s)})
