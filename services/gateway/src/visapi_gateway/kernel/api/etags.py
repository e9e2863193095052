"""Strong ETags, and the conditions of requests on them (RFC 9110, 13.1)."""

import hashlib
from collections.abc import Callable

import msgspec

from visapi_common.core.errors import ProblemError

_BYTES = 8

Check = Callable[[msgspec.Struct | None], None]
"""Refuses a change of a resource. A store calls it within the transaction of the change, with the resource as
operations show it, which nobody else changes meanwhile; None where there is no such resource.
"""


def accept_any(_: msgspec.Struct | None) -> None:
    """A change without a condition."""


def shown_tag(shown: msgspec.Struct) -> str:
    """The tag that an answer with this body has."""
    return etag_of(msgspec.json.encode(shown))


def etag_of(contents: bytes) -> str:
    """The tag of a resource, in its quotes. `contents` are what changes with it."""
    return f'"{hashlib.sha256(contents).digest()[:_BYTES].hex()}"'


def none_match(header: str | None, tag: str) -> bool:
    """Whether `If-None-Match` names the tag: the client has the resource as it is."""
    return header is not None and bool({tag, "*"} & {part.removeprefix("W/") for part in _parts(header)})


def check_match(header: str | None, tag: str, what: str) -> None:
    """Raises `ProblemError` 412 where `If-Match` names only other tags: somebody changed the resource since
    the client read it.
    """
    if header is not None and not {tag, "*"} & set(_parts(header)):
        detail = f"{what} has changed since it was read: its ETag is {tag} now; read it, then try again"
        raise ProblemError("precondition_failed", detail, status=412)


def match_check(if_match: str | None, what: str) -> Check:
    """The check of a change under the header `If-Match`. The check raises `ProblemError` 412."""
    if if_match is None:
        return accept_any

    def check(shown: msgspec.Struct | None) -> None:
        if shown is not None:
            check_match(if_match, shown_tag(shown), what)
            return
        detail = f"there is no {what}, so no ETag is its; leave out If-Match"
        raise ProblemError("precondition_failed", detail, status=412)

    return check


def _parts(header: str) -> list[str]:
    return [part.strip() for part in header.split(",")]
