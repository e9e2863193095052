"""The allowance of each key: the rates that its requests take from, the quotas that its runs take from."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from visapi_common.contracts.rates import CurrentRate
from visapi_gateway.kernel.access.scopes import Principal
from visapi_gateway.kernel.api.rate_headers import POLICY, STATE, policy_field, state_field
from visapi_gateway.rates.buckets import QuotaBucket, RateBucket
from visapi_gateway.rates.draws import Draw, Refused
from visapi_gateway.rates.leases import Leases
from visapi_gateway.rates.rules.policies import Book, Defaults, Period, Policy

IDLE_S = 3600.0
_POLICY, _STATE = POLICY.lower().encode(), STATE.lower().encode()


class KeyAllowance:
    """See `kernel.access.rates.Allowance`. `runs` takes from the quotas."""

    def __init__(
        self, requests: Draw[RateBucket], runs: Draw[QuotaBucket], monotonic: Callable[[], float]
    ) -> None:
        self.requests = requests
        self.runs = runs
        self.used_at = monotonic()
        self._monotonic = monotonic
        policies = [one.policy() for one in requests.buckets]
        with_quotas = [*policies, *(one.policy() for one in runs.buckets)]
        self._policy = policy_field(policies).encode()
        self._policy_with_quotas = policy_field(with_quotas).encode()
        self.take = requests.take
        self.wait = requests.wait

    def current(self) -> list[CurrentRate]:
        """All policies, with the remainder of each."""
        now = self._monotonic()
        rates = [_current(one, now, one.limit.per_s) for one in self.requests.buckets]
        return [*rates, *(_current(one, now, None) for one in self.runs.buckets)]

    def headers(self, *, with_quotas: bool) -> list[tuple[bytes, bytes]]:
        now = self.used_at = self._monotonic()
        states = [one.state(now) for one in self.requests.buckets]
        if with_quotas:
            states += [one.state(now) for one in self.runs.buckets]
        policy = self._policy_with_quotas if with_quotas else self._policy
        return [(_POLICY, policy), (_STATE, state_field(states).encode())]


def _current(bucket: RateBucket | QuotaBucket, now: float, per_s: float | None) -> CurrentRate:
    policy, state = bucket.policy(), bucket.state(now)
    return CurrentRate(
        policy=policy.name,
        unit="requests" if policy.unit is None else "runs",
        quota=policy.quota,
        per_s=per_s,
        window_s=policy.window_s,
        remaining=state.remaining,
        reset_s=state.reset_s,
    )


class Parts(NamedTuple):
    """The parts that allowances are built from."""

    rates: Leases[RateBucket]
    quotas: Leases[QuotaBucket]
    refused: Refused
    monotonic: Callable[[], float]


class KeyAllowances:
    """See `kernel.access.rates.Allowances`. Keys of one tenant share its buckets."""

    def __init__(self, defaults: Defaults, parts: Parts) -> None:
        self._defaults = defaults
        self._parts = parts
        self._book = Book()
        self._of: dict[tuple[str, str], KeyAllowance] = {}
        self._rates: dict[tuple[str, str], RateBucket] = {}
        self._quotas: dict[tuple[str, str, Period], QuotaBucket] = {}

    def of(self, who: Principal) -> KeyAllowance:
        return self.of_key(who.tenant, who.key)

    def of_key(self, tenant: str, key: str) -> KeyAllowance:
        """The allowance of a key; the empty key is for actors of the tenant without a key."""
        found = self._of.get((tenant, key))
        if found is None:
            found = self._of[tenant, key] = self._made(tenant, key)
        return found

    def apply(self, book: Book) -> None:
        """Apply other rates from now on. Leased tokens stay, within the new limits."""
        self._book = book
        self._of.clear()

    def quota_buckets(self) -> Sequence[QuotaBucket]:
        return list(self._quotas.values())

    def tidy(self) -> None:
        """Forget allowances that no key has used for an hour."""
        now = self._parts.monotonic()
        self._of = {who: one for who, one in self._of.items() if now - one.used_at < IDLE_S}
        kept = {
            id(bucket) for one in self._of.values() for bucket in (*one.requests.buckets, *one.runs.buckets)
        }
        self._rates = {
            of: one for of, one in self._rates.items() if id(one) in kept or one.waiting or one.asked
        }
        self._quotas = {
            of: one
            for of, one in self._quotas.items()
            if id(one) in kept or one.waiting or one.asked or one.tokens
        }

    def _made(self, tenant: str, key: str) -> KeyAllowance:
        policies = self._book.policies(tenant, key, self._defaults)
        parts = self._parts
        rates = [self._rate(tenant, one) for one in policies if one.limit is not None]
        quotas = [
            self._quota(tenant, one, period, most) for one in policies for period, most in one.quotas.items()
        ]
        return KeyAllowance(
            Draw(rates, parts.rates.want, parts.refused, parts.monotonic),
            Draw(quotas, parts.quotas.want, parts.refused, parts.monotonic),
            parts.monotonic,
        )

    def _rate(self, tenant: str, policy: Policy) -> RateBucket:
        assert policy.limit is not None
        of = (tenant, policy.subject)
        found = self._rates.get(of)
        if found is None:
            found = self._rates[of] = RateBucket(tenant, policy.subject, policy.name, policy.limit)
        elif found.limit != policy.limit:
            found.change(policy.limit)
        return found

    def _quota(self, tenant: str, policy: Policy, period: Period, most: int) -> QuotaBucket:
        of = (tenant, policy.subject, period)
        found = self._quotas.get(of)
        if found is None:
            found = self._quotas[of] = QuotaBucket(tenant, policy.subject, policy.name, period, most)
        elif found.most != most:
            found.change(most)
        return found
