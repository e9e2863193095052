"""One request to the HTTP API as a value. Pure."""

from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

T = TypeVar("T")


class Call(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One request. `repeatable`: sending it twice is as good as once. `answer` is what the body is read as;
    `bytes` leaves the body as it is.
    """

    method: str
    path: str
    answer: Any
    params: dict[str, str | list[str]] = {}
    headers: dict[str, str] = {}
    body: bytes = b""
    repeatable: bool = False


def path_part(text: str) -> str:
    return quote(text, safe="")
