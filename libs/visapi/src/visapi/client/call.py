"""One request to the HTTP API as a value. Pure."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

T_co = TypeVar("T_co", covariant=True)


class Call(msgspec.Struct, Generic[T_co], frozen=True, kw_only=True):
    """One request. `answer` is what the body is read as; `bytes` leaves the body as it is.

    `repeatable`: sending it twice is as good as once. `keyed`: the operation takes an `Idempotency-Key`, and
    clients give one where there is none. `private`: the body holds a secret.
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


def path_part(text: str) -> str:
    return quote(text, safe="")


def query(limit: int, **given: str | None) -> dict[str, str | list[str]]:
    """The parameters of a list; those that are None are not sent."""
    return {"limit": str(limit), **{name: value for name, value in given.items() if value is not None}}
