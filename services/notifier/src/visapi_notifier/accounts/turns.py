"""How many verifications of accounts a tenant may have under way, and begin in a minute. Pure."""

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass

from visapi_common.contracts.accounts import NotTried

AT_ONCE = 64
AT_ONCE_PER_TENANT = 2
PER_MINUTE = 20
_MINUTE_S = 60.0
_TENANTS_MAX = 4096
_SOON_S = 2.0


@dataclass(frozen=True, slots=True)
class Full:
    """Why there is no turn, and after how many seconds to ask again."""

    why: NotTried
    wait_s: float


class Turns:
    """Each process counts for itself. A turn that is not given is not waited for."""

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._begun: OrderedDict[str, deque[float]] = OrderedDict()

    def take(self, tenant: str, now: float) -> Full | None:
        """Begin one at the monotonic time `now`; else why not."""
        begun = self._begun.setdefault(tenant, deque())
        self._begun.move_to_end(tenant)
        while len(self._begun) > _TENANTS_MAX:
            self._begun.popitem(last=False)
        while begun and begun[0] <= now - _MINUTE_S:
            begun.popleft()
        if self._under_way[tenant] >= AT_ONCE_PER_TENANT:
            return Full("tenant_busy", _SOON_S)
        if len(begun) >= PER_MINUTE:
            return Full("tenant_busy", begun[0] + _MINUTE_S - now)
        if self._under_way.total() >= AT_ONCE:
            return Full("notifier_busy", _SOON_S)
        begun.append(now)
        self._under_way[tenant] += 1
        return None

    def give_back(self, tenant: str) -> None:
        """End one."""
        self._under_way[tenant] -= 1
        self._under_way += Counter()
