"""One request to the HTTP API as a value. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

JSON = "application/json"


class Call(msgspec.Struct, Generic[T_co], frozen=True, kw_only=True):
    """One request. `answer` is what the body is read as; `bytes` leaves the body as it is.

    `repeatable`: sending it twice is as good as once. `keyed`: the operation takes an `Idempotency-Key`, and
    clients give one where there is none. A repeatable call with `If-Match` and without a key is sent again
    only where it was certainly not carried out. `private`: the body holds a secret.
    """

    method: str
    path: str
    answer: Any
    params: dict[str, str | list[str]] = {}
    headers: dict[str, str] = {}
    body: bytes = b""
    repeatable: bool = False
    keyed: bool = False
    private: bool = False


class Tagged(msgspec.Struct, Generic[T_co], frozen=True):
    """An answer with the ETag of what it shows: `if_match` of the next change."""

    value: T_co
    etag: str | None


def conditional(if_match: str | None, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """The headers of a change that is made only while the resource has the ETag `if_match`."""
    return {**(headers or {}), **({} if if_match is None else {"If-Match": if_match})}


def keyed_post(
    path: str,
    answer: type[T],
    body: bytes = b"",
    *,
    idempotency_key: str | None = None,
    if_match: str | None = None,
    private: bool = False,
) -> Call[T]:
    """A POST that takes an `Idempotency-Key`, so it may be sent again."""
    headers = conditional(if_match, {"Content-Type": JSON} if body else {})
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    return Call(
        method="POST",
        path=path,
        answer=answer,
        headers=headers,
        body=body,
        repeatable=True,
        keyed=True,
        private=private,
    )


def path_part(text: str) -> str:
    return quote(text, safe="")


def query(limit: int, **given: str | None) -> dict[str, str | list[str]]:
    """The parameters of a list; those that are None are not sent."""
    return {"limit": str(limit), **{name: value for name, value in given.items() if value is not None}}


def time_text(moment: datetime | None) -> str | None:
    """A moment with its zone as a parameter (RFC 3339)."""
    return None if moment is None else moment.isoformat()
