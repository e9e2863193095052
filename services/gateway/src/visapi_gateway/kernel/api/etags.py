"""Strong ETags, and the conditions of requests on them (RFC 9110, 13.1)."""

import hashlib

from visapi_common.core.errors import ProblemError

_BYTES = 8


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


def _parts(header: str) -> list[str]:
    return [part.strip() for part in header.split(",")]
