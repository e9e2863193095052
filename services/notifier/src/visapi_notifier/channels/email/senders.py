"""Whom a mail is from and which relay sends it: of the account that the call names, of the tenant's default
account, or the operator's.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.errors import PermanentFault, ProblemError
from visapi_common.worker.faults import Postponed
from visapi_notifier.accounts.rules import REFUSED_RETRY_S, Account
from visapi_notifier.accounts.service import Accounts
from visapi_notifier.channels.email.account_relays import AccountRelays
from visapi_notifier.channels.email.rules.account import check_port, relay_of_account, sender_of_account
from visapi_notifier.channels.email.rules.addresses import Mailbox
from visapi_notifier.channels.email.rules.message import EmailInput, Mail
from visapi_notifier.channels.email.smtp_relay import PasswordRefused, SignInRefused, SmtpRelay
from visapi_notifier.delivery.effects import Time
from visapi_notifier.outbound.rules.masking import Mask


@dataclass(frozen=True, slots=True)
class Route:
    """A sender and its relay; the next relay is tried where the first refuses the password.

    `key_missing` as in `Account`.
    """

    sender: Mailbox
    relays: Sequence[SmtpRelay]
    key_missing: bool = False

    async def send(self, mail: Mail, time: Time) -> str:
        """The relay's answer. Raises the three faults. A refused password means that nothing was sent: raises
        `Postponed` where a password that is missing here may be the right one.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + time.limit_s
        for relay in self.relays[:-1]:
            try:
                return await relay.send(mail, ends - loop.time(), chosen=time.chosen)
            except (PasswordRefused, SignInRefused):
                continue
        try:
            return await self.relays[-1].send(mail, ends - loop.time(), chosen=time.chosen)
        except (PasswordRefused, SignInRefused) as refused:
            if self.key_missing:
                raise Postponed(REFUSED_RETRY_S) from refused
            raise


class Senders:
    """Finds the route of each mail. `operator` is the operator's relay, where one is configured."""

    def __init__(
        self, accounts: Accounts, dialer: EgressDialer, sender: Mailbox, operator: SmtpRelay | None
    ) -> None:
        self._accounts = accounts
        self._dialer = dialer
        self._sender = sender
        self._operator = operator
        self._relays = AccountRelays(dialer)

    async def route(self, wanted: EmailInput, message: TaskMessage, mask: Mask) -> Route:
        """Raises `ProblemError` for a sender that is not allowed, and what `Accounts.find` raises."""
        account = await self._accounts.find("smtp", wanted.account, message, mask)
        if account is not None:
            return self._route(account, wanted, message.tenant)
        if self._operator is None:
            raise PermanentFault(
                "there is no mail relay: store an account of kind smtp, or set VISAPI_SMTP_URL for the "
                "notifier"
            )
        if wanted.from_ is not None:
            detail = "/from: mails of the operator's relay have the operator's sender; name an account"
            raise ProblemError("sender_not_allowed", detail, status=403)
        return Route(self._sender, [self._operator])

    def _route(self, account: Account, wanted: EmailInput, tenant: str) -> Route:
        sender = sender_of_account(account.versions[0].settings, wanted.from_)
        relays: list[SmtpRelay] = []
        for version in account.versions:
            relay = relay_of_account(version.settings, version.credentials)
            check_port(relay, self._dialer.policy)
            relays.append(self._relays.relay(tenant, relay, sender.domain))
        return Route(sender, relays, account.key_missing)

    async def close(self) -> None:
        """Close the kept connections."""
        if self._operator is not None:
            await self._operator.close()
        await self._relays.close()
