"""Idempotency keys of requests: one key is one request, for 7 days
(draft-ietf-httpapi-idempotency-key-header-07).

A store holds the key with its other statements, in one transaction. A request that failed holds no key, so a
corrected one may use the same key. Stored are the hash of the request and an answer that locates its result,
never a result that may be shown only once.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import msgspec

from visapi_common.core.errors import ProblemError

_Value = TypeVar("_Value")
IN_FLIGHT_S = 1
"""Seconds after which a request that came too early is sent again."""


class Claim(msgspec.Struct, frozen=True):
    """The `Idempotency-Key` of a request, and the hash of the request. `former` are hashes that the same
    request may have got earlier.
    """

    tenant: str
    key: str
    request_hash: bytes
    former: tuple[bytes, ...] = ()


class KeyTaken(Exception):
    """Another request held the key meanwhile; the transaction must not be committed."""


def answer_text(value: Any) -> str:
    """A value to hold with a key."""
    return msgspec.json.encode(value).decode()


def read_answer(answer: str, kind: type[_Value]) -> _Value:
    """The value that `answer_text` wrote."""
    return msgspec.json.decode(answer, type=kind)


class AnswerOf(Protocol):
    async def __call__(self, claim: Claim) -> str | None:
        """The answer of the request that holds the key; None when the key is free. Raises `ProblemError` 422
        when another request holds it.
        """
        ...


class HoldKey(Protocol):
    async def __call__(self, claim: Claim | None, answer: str) -> None:
        """Hold a key for a request that is already carried out. Raises `KeyTaken`."""
        ...


class InFlight:
    """The keys of requests that this replica is carrying out."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()

    @contextmanager
    def of(self, tenant: str, key: str) -> Generator["Flight"]:
        """Raises `ProblemError` 409 while another request of the tenant has the same key."""
        flight = Flight(self._keys, (tenant, key))
        try:
            yield flight
        finally:
            flight.end()


class Flight:
    """A request that is being carried out under a key."""

    def __init__(self, keys: set[tuple[str, str]], key: tuple[str, str]) -> None:
        if key in keys:
            detail = (
                "an earlier request with this Idempotency-Key is being carried out; send the request again "
                "after Retry-After seconds"
            )
            wait = {"Retry-After": str(IN_FLIGHT_S)}
            raise ProblemError("idempotency_in_flight", detail, status=409, headers=wait)
        keys.add(key)
        self._keys = keys
        self._key: tuple[str, str] | None = key

    def end(self) -> None:
        """The outcome of the request is committed, or it has none."""
        if self._key is not None:
            self._keys.discard(self._key)
            self._key = None


def key_reused(what: str = "another request") -> ProblemError:
    """The problem of a request whose key belongs to another request."""
    detail = f"the Idempotency-Key was used for {what}; use a new key for a new request"
    return ProblemError("idempotency_conflict", detail, status=422)
