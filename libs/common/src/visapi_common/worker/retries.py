"""In-process retries and their waits.

`retrying` costs 18 µs for each call that succeeds at once, so the two loops of every task (its function and
its result) count their tries themselves.
"""

from collections.abc import Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from visapi_common.core.backoff import full_jitter_s
from visapi_common.core.errors import Fault, TransientFault, UnknownFault

F = TypeVar("F", bound=Fault)

RETRY_S = 10.0
"""In-process retries of at most 10 s, for calls that certainly had no effect; beyond it `try` decides."""
_BASE_S = 0.2
_CAP_S = 4.0


def wait_s(fault: TransientFault | UnknownFault, tries: int, draw: float, *, cap_s: float = _CAP_S) -> float:
    """Seconds before try `tries + 1`, at least the `retry_after_s` of the fault. `draw` is random in [0,
    1).
    """
    jittered = full_jitter_s(tries, base_s=_BASE_S, cap_s=cap_s, draw=draw)
    advised = fault.retry_after_s if isinstance(fault, TransientFault) else None
    return max(advised or 0.0, jittered)


def retrying(
    *kinds: type[F], wait: Callable[[F, int], float], tell: Callable[[F], object], tell_after: int
) -> AsyncRetrying:
    """Retry without end after faults of these kinds. `wait` gets the fault and the number of tries.

    `tell` is called once, with the fault of try `tell_after`.
    """

    def fault_of(state: RetryCallState) -> F:
        fault = state.outcome and state.outcome.exception()
        assert isinstance(fault, kinds), "nothing else is tried again"
        return fault

    def before_sleep(state: RetryCallState) -> None:
        if state.attempt_number == tell_after:
            tell(fault_of(state))

    return AsyncRetrying(
        retry=retry_if_exception_type(kinds),
        wait=lambda state: wait(fault_of(state), state.attempt_number),
        before_sleep=before_sleep,
    )
