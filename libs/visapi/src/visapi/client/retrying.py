"""Which requests are sent again, and when; the same for both clients."""

import random
import secrets
from collections.abc import Callable
from typing import Any, TypedDict, TypeVar

import httpx
import msgspec
from tenacity import RetryCallState, stop_after_attempt
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
_NOTHING_HAPPENED = frozenset({"unavailable"})
"""Codes of a 503 that says that the request was not carried out."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def mends_itself(error: BaseException) -> bool:
    """Nobody answered, a gateway that is about to be back, or one that says when to come again."""
    if not isinstance(error, ApiError):
        return isinstance(error, UnreachableError)
    advised = error.retry_after_s
    if advised is not None and advised > PAUSE_MAX_S:
        return False
    return error.status in _MEND_THEMSELVES or (error.status in _ASK_FOR_A_PAUSE and advised is not None)


def is_sent_again(call: Call[Any], error: BaseException) -> bool:
    """Whether a call that may be repeated is sent again after this error. A change under `If-Match` without
    an `Idempotency-Key` is sent again only where it was not carried out: after its own change the ETag that
    it names is an earlier one, and the gateway would refuse it.
    """
    if not mends_itself(error):
        return False
    return call.keyed or "If-Match" not in call.headers or not _may_have_happened(error)


def unreachable(url: str, error: httpx.TransportError) -> UnreachableError:
    """The client's error for a request without an answer."""
    return UnreachableError(f"{url} does not answer: {error}", sent=not isinstance(error, _NOT_SENT))


def pause_s(state: RetryCallState) -> float:
    """The pause that the gateway asks for, and a random part that doubles with each attempt."""
    error = None if state.outcome is None else state.outcome.exception()
    advised = error.retry_after_s if isinstance(error, ApiError) else None
    return (advised or 0.0) + random.uniform(0.0, PAUSE_S * 2.0**state.attempt_number)


class Patience(TypedDict):
    """Arguments of `tenacity.retry`."""

    retry: Callable[[RetryCallState], bool]
    stop: StopBaseT
    wait: WaitBaseT
    reraise: bool


def _retried(state: RetryCallState) -> bool:
    """The decorated method takes the client and the call."""
    error = None if state.outcome is None else state.outcome.exception()
    return error is not None and is_sent_again(state.args[1], error)


PATIENCE: Patience = {
    "retry": _retried,
    "stop": stop_after_attempt(ATTEMPTS),
    "wait": pause_s,
    "reraise": True,
}


def with_key(call: Call[T]) -> Call[T]:
    """The call with an `Idempotency-Key` where its operation takes one and the caller gave none."""
    if not call.keyed or _KEY in call.headers:
        return call
    return msgspec.structs.replace(call, headers={**call.headers, _KEY: secrets.token_hex(16)})


def _may_have_happened(error: BaseException) -> bool:
    if isinstance(error, ApiError):
        return error.status not in _ASK_FOR_A_PAUSE and error.problem.code not in _NOTHING_HAPPENED
    return not isinstance(error, UnreachableError) or error.sent
