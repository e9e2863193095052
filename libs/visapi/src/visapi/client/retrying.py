"""Which requests are sent again, and when; the same for both clients."""

import random
import secrets
from typing import TypedDict, TypeVar

import msgspec
from tenacity import RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.retry import RetryBaseT
from tenacity.stop import StopBaseT
from tenacity.wait import WaitBaseT

from visapi.client.call import Call
from visapi.client.failures import ApiError, UnreachableError

T = TypeVar("T")

ATTEMPTS = 4
PAUSE_S = 0.25
PAUSE_MAX_S = 30.0
"""A gateway that asks for a longer pause is not waited for."""
_KEY = "Idempotency-Key"
_MEND_THEMSELVES = frozenset({502, 503, 504})
_ASK_FOR_A_PAUSE = frozenset({409, 429})
"""Of these, the ones with `Retry-After`."""


def mends_itself(error: BaseException) -> bool:
    """Nobody answered, a gateway that is about to be back, or one that says when to come again."""
    if not isinstance(error, ApiError):
        return isinstance(error, UnreachableError)
    advised = error.retry_after_s
    if advised is not None and advised > PAUSE_MAX_S:
        return False
    return error.status in _MEND_THEMSELVES or (error.status in _ASK_FOR_A_PAUSE and advised is not None)


def pause_s(state: RetryCallState) -> float:
    """The pause that the gateway asks for, and a random part that doubles with each attempt."""
    error = None if state.outcome is None else state.outcome.exception()
    advised = error.retry_after_s if isinstance(error, ApiError) else None
    return (advised or 0.0) + random.uniform(0.0, PAUSE_S * 2.0**state.attempt_number)


class Patience(TypedDict):
    """Arguments of `tenacity.retry`."""

    retry: RetryBaseT
    stop: StopBaseT
    wait: WaitBaseT
    reraise: bool


PATIENCE: Patience = {
    "retry": retry_if_exception(mends_itself),
    "stop": stop_after_attempt(ATTEMPTS),
    "wait": pause_s,
    "reraise": True,
}


def with_key(call: Call[T]) -> Call[T]:
    """The call with an `Idempotency-Key` where its operation takes one and the caller gave none."""
    if not call.keyed or _KEY in call.headers:
        return call
    return msgspec.structs.replace(call, headers={**call.headers, _KEY: secrets.token_hex(16)})
