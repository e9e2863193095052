"""URLs of NATS servers, separated by commas: their validation, and each server with its user.

tls://gateway:password@nats-0:4222,tls://nats-1:4222
"""

from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

SCHEMES = ("nats", "tls")
_PORT_DEFAULT = 4222


class Server(NamedTuple):
    """One server. A URL without a user has the user of the first URL."""

    url: str
    """Without user and password."""
    user: str | None
    password: str | None
    tls: bool


def flaw(urls: str) -> str | None:
    """The reason why VisAPI cannot connect with these URLs; None when it can. Shows no part of a password."""
    users: set[str | None] = set()
    for url in _urls(urls):
        try:
            parts = _split(url)
        except ValueError as error:
            return str(error)
        if parts.scheme not in SCHEMES:
            return f"each server must begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}"
        if "@" in parts.netloc.rpartition("@")[0]:
            return "a password with an '@' must have it written as %40"
        if parts.path.strip("/") or parts.query or parts.fragment:
            return "a server is only a scheme, a user, a host and a port"
        try:
            if not parts.hostname or parts.port == 0:
                return "a server names no host or port"
        except ValueError:
            return "the port of a server is no number from 1 to 65535"
        if parts.username is not None:
            users.add(parts.username)
    return "the servers name different users; one process is one user" if len(users) > 1 else None


def servers(urls: str) -> list[Server]:
    """Each server's own URL."""
    parsed = [_split(url) for url in _urls(urls)]
    known = parsed[0]
    return [_server(parts, known if parts.username is None else parts) for parts in parsed]


def with_password(urls: str, password: str) -> str:
    """The same servers, each with this password of its user."""
    return ",".join(_with_password(_split(url), password) for url in _urls(urls))


def _with_password(parts: SplitResult, password: str) -> str:
    user, at, place = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}{at}{place}" if at else place))


def _server(parts: SplitResult, known: SplitResult) -> Server:
    place = parts.netloc.rpartition("@")[2]
    return Server(
        url=f"{parts.scheme}://{place if parts.port else f'{place}:{_PORT_DEFAULT}'}",
        user=None if known.username is None else unquote(known.username),
        password=None if known.password is None else unquote(known.password),
        tls=parts.scheme == "tls",
    )


def _split(url: str) -> SplitResult:
    """Raises `ValueError` that shows nothing of a password, as that of `urlsplit` may."""
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("a server cannot be read; write special characters of the password as %XX") from None


def _urls(urls: str) -> list[str]:
    return [part.strip() for part in urls.split(",")]
