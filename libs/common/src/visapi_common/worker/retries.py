"""How long to wait before trying again inside the process."""

from visapi_common.core.backoff import full_jitter_s
from visapi_common.core.errors import TransientFault, UnknownFault

RETRY_S = 10.0
"""In-process retries of at most 10 s, of what certainly had no effect (DESIGN 3.7)."""
_BASE_S = 0.2
_CAP_S = 4.0


def wait_s(fault: TransientFault | UnknownFault, tries: int, draw: float, *, cap_s: float = _CAP_S) -> float:
    """Seconds before try `tries + 1`; the world's own advice is a floor. `draw` is random in [0, 1)."""
    jittered = full_jitter_s(tries, base_s=_BASE_S, cap_s=cap_s, draw=draw)
    advised = fault.retry_after_s if isinstance(fault, TransientFault) else None
    return max(advised or 0.0, jittered)
