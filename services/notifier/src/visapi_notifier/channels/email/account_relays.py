"""Connections to the relays of tenants' accounts: a pool for each tenant and version of an account."""

import asyncio
from collections import OrderedDict

from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.adapters.fair_semaphore import FairSemaphore
from visapi_common.core.fair_job_queue import JobQueueLimits
from visapi_notifier.channels.email.rules.relay import Relay
from visapi_notifier.channels.email.smtp_relay import FINAL_ANSWER_S, SmtpRelay

ACCOUNT_TURNS = JobQueueLimits(
    at_once=128, per_tenant=4, waiting=4096, waiting_per_tenant=512, bytes_waiting=0
)
"""Connections to relays of tenants: one that hangs takes those of its tenant, and no others."""
KEEP_PER_RELAY = 2
RELAYS_MAX = 128
RELAYS_PER_TENANT = 8
UNUSED_S = 60.0
"""How long connections of a relay are kept that sends nothing."""

_Place = tuple[str, Relay, str]


class AccountRelays:
    """Equal settings and credentials of one tenant share connections; a new password makes new ones."""

    def __init__(self, dialer: EgressDialer) -> None:
        self._dialer = dialer
        self._slots = FairSemaphore(ACCOUNT_TURNS, what="the mail", wait_s=FINAL_ANSWER_S)
        self._relays: OrderedDict[_Place, tuple[float, SmtpRelay]] = OrderedDict()

    def relay(self, tenant: str, relay: Relay, ident: str) -> SmtpRelay:
        """The tenant's relay, which is dialled as a host that nobody trusts."""
        place, now = (tenant, relay, ident), asyncio.get_running_loop().time()
        known = self._relays.pop(place, None)
        found = known[1] if known else self._open(relay, ident)
        self._relays[place] = (now, found)
        self._drop_others(tenant, now)
        return found

    def _open(self, relay: Relay, ident: str) -> SmtpRelay:
        return SmtpRelay(
            relay, self._dialer, ident=ident, trusted=False, slots=self._slots, keep_max=KEEP_PER_RELAY
        )

    def _drop_others(self, tenant: str, now: float) -> None:
        """Drop relays that were not used for a while, and the oldest beyond the bounds."""
        own = [place for place in self._relays if place[0] == tenant]
        over = own[: max(0, len(own) - RELAYS_PER_TENANT)]
        over += [place for place, (used, _) in self._relays.items() if now - used > UNUSED_S]
        over += list(self._relays)[: max(0, len(self._relays) - RELAYS_MAX)]
        for place in dict.fromkeys(over):
            _, dropped = self._relays.pop(place)
            dropped.drop()

    async def close(self) -> None:
        """Close every kept connection."""
        relays, self._relays = list(self._relays.values()), OrderedDict()
        for _, relay in relays:
            relay.drop()
